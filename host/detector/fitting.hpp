#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cugad/device.hpp"
#include "cugad/table.hpp"
#include "host/detector/column_roles.hpp"
#include "host/detector/novelty.hpp"
#include "host/detector/transform.hpp"
#include "host/scores/reference_rows.hpp"

/// The parts of a fit that single detectors and fleets share.
namespace cugad {

/// Throws Error{invalid_argument} unless rows have that many columns and a stride that holds them.
void check_rows(const char* what, MatrixView<const float> rows, std::int64_t columns);
/// Throws Error{invalid_argument} if the option `image` does not fit the columns.
void check_image_columns(const DetectorOptions& options, const Columns& columns);
/// The same for what fit() is given; names the columns that have no names. Returns how many are numeric.
std::int64_t check_fit_arguments(MatrixView<const float> rows, Columns& columns);

/// The rows to fit to, on the host: those that hold some value. The others would teach that nothing is normal.
struct RowsToFit {
  std::vector<float> kept;  ///< what `rows` shows, where it is not the caller's memory
  MatrixView<const float> rows;
  std::vector<std::int64_t> positions;  ///< in the caller's rows; empty: all of them
};
RowsToFit rows_to_fit(const Device& device, MatrixView<const float> rows,
                      const std::function<void(const std::string&)>& on_message);

/// The number of folds, the default where the option is 0.
int folds_of(const DetectorOptions& options);
/// Options with everything decided that depends on the rows. `columns`: those that are judged. `distinct_rows`: 0 where
/// models of several tables train together.
DetectorOptions resolve(DetectorOptions options, std::int64_t rows, std::int64_t columns,
                        std::int64_t distinct_rows = 0);

/// How the training of one method of an ensemble is watched: its progress is a part of all methods' steps, its
/// checkpoint has a directory of its own.
FitControl part_of(const FitControl& control, const DetectorOptions& options, std::int64_t steps_before,
                   const std::vector<DetectorOptions>& all);

/// The training rows that the model of a method without networks keeps.
ReferenceRows reference_rows_of(Context& context, const Matrix& training, const DetectorOptions& resolved);

/// What users must know of a model, or of several (0 rows), that keep training rows.
std::string training_rows_note(std::int64_t rows = 0);

/// Replaces missing cells by the means of their columns.
void fill_missing_with_means(MatrixView<float> rows);

/// A fixed, seeded sample of the positions of `rows` rows, at most `most`; each purpose has a lane of its own.
std::vector<std::int64_t> sample_of(Context& context, std::int64_t rows, std::int64_t most, std::uint64_t seed,
                                    std::uint32_t lane = 0);

/// The rows of one detector, transformed and sorted by fold: complete ones to train on, and those whose scores
/// calibrate it. `*_begin`: where each fold begins, and their end; with one fold, all models have seen all rows.
struct PreparedRows {
  ColumnRoles roles;
  FeatureTransform transform;
  Novelty novelty;
  Matrix training, calibration;
  Matrix
      incomplete;  ///< training rows with their missing cells, for methods that judge cells; empty if none is missing
  std::int64_t distinct_rows = 0;
  std::int64_t trimmed_rows = 0;  ///< left out by option trim
  Matrix trimmed;                 ///< of those the rows that calibrate, as the caller gave them: new to all models
  std::vector<std::int64_t> training_begin, calibration_begin;
  Matrix range;                 ///< [columns, 2]: the lowest and highest value of each column, as in the caller's rows
  std::vector<float> surprise;  ///< of the calibration rows, in nats; empty without novelty
  std::vector<std::string> notes;  ///< see Detector::notes()
};
/// What a fit knows of its columns.
struct FitColumns {
  std::vector<std::string> names;
  std::int64_t numeric = 0;
  std::vector<Category> categories;  ///< for methods that judge cells; empty for others
};
FitColumns fit_columns(MatrixView<const float> rows, const DetectorOptions& options,
                       const std::vector<std::string>& names, std::int64_t numeric_columns);
/// On a CPU context, rows on the host. Reports each note, too.
PreparedRows prepare_rows(Context& context, MatrixView<const float> rows, const DetectorOptions& options,
                          const FitColumns& columns, const std::function<void(const std::string&)>& on_message);

}  // namespace cugad
