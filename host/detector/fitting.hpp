#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cugad/device.hpp"
#include "cugad/table.hpp"
#include "host/detector/column_roles.hpp"
#include "host/detector/dominated_columns.hpp"
#include "host/detector/novelty.hpp"
#include "host/detector/transform.hpp"
#include "host/model_file/mapped_memory.hpp"
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
  LargeArray<float> kept;  ///< what `rows` shows, where it is not the caller's memory
  MatrixView<const float> rows;
  std::vector<std::int64_t> positions;  ///< in the caller's rows; empty: all of them, or a directory was given
};
/// `row_directory`: see FitControl.
RowsToFit rows_to_fit(const Device& device, MatrixView<const float> rows,
                      const std::function<void(const std::string&)>& on_message, const std::string& row_directory = {});

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

/// The training rows that the model of a method without networks keeps. `row_directory`: see FitControl.
ReferenceRows reference_rows_of(Context& context, MatrixView<const float> training, const DetectorOptions& resolved,
                                const std::string& row_directory = {});

/// What users must know of a model, or of several (0 rows), that keep training rows.
std::string training_rows_note(std::int64_t rows = 0);

/// Replaces missing cells by the means of their columns.
void fill_missing_with_means(MatrixView<float> rows);

/// A fixed, seeded sample of the positions of `rows` rows, at most `most`; each purpose has a lane of its own.
std::vector<std::int64_t> sample_of(Context& context, std::int64_t rows, std::int64_t most, std::uint64_t seed,
                                    std::uint32_t lane = 0);

/// Rows in memory, or in a file of a directory that is not empty: see LargeArray.
struct StoredRows {
  std::int64_t rows = 0, columns = 0;
  LargeArray<float> data;

  StoredRows() = default;
  StoredRows(std::int64_t rows_, std::int64_t columns_, const std::string& directory)
      : rows(rows_), columns(columns_), data(static_cast<std::size_t>(rows * columns), directory) {}
  float* row(std::int64_t r) { return data.data() + r * columns; }
  const float* row(std::int64_t r) const { return data.data() + r * columns; }
  MatrixView<float> view() { return {data.data(), rows, columns}; }
  MatrixView<const float> view() const { return {data.data(), rows, columns}; }
  /// Keeps the rows for which `is_kept`, in their order.
  void keep(const std::vector<bool>& is_kept);
};

/// The rows of one detector, transformed and sorted by fold: complete ones to train on, and those whose scores
/// calibrate it. `*_begin`: where each fold begins, and their end; with one fold, all models have seen all rows.
struct PreparedRows {
  ColumnRoles roles;
  FeatureTransform transform;
  Novelty novelty;
  StoredRows training;
  Matrix calibration;
  StoredRows
      incomplete;  ///< training rows with their missing cells, for methods that judge cells; empty if none is missing
  std::int64_t distinct_rows = 0;  ///< at most the first number that makes a table a large one, see resolve()
  std::int64_t trimmed_rows = 0;   ///< left out by option trim
  Matrix trimmed;                  ///< of those the rows that calibrate, as the caller gave them: new to all models
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
/// On a CPU context, rows on the host. Reports each note, too. `row_directory`: see FitControl; besides what lies there
/// this takes a byte of memory for each row, and some 100 MB. Throws Error{unsupported} for an option that
/// needs all rows in memory then.
PreparedRows prepare_rows(Context& context, MatrixView<const float> rows, const DetectorOptions& options,
                          const FitColumns& columns, const std::function<void(const std::string&)>& on_message,
                          const std::string& row_directory = {});

}  // namespace cugad
