#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/table.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"

namespace cugad::cli {

/// The rows to train on, and the properties of their table.
struct TrainingTable {
  Table rows;
  std::optional<Matrix> pixels;  ///< the rows of a folder of images, whose names `rows` has
  TableEncoder::Options encoding;
  LabelNote labels;
  TableFormat format;
  std::int64_t rows_in_file = 0;
  std::int64_t most_patches = 1;    ///< of an image that is cut into patches
  std::string group_column;         ///< empty: one model for all rows
  std::vector<std::string> groups;  ///< of each row
};

/// Reads the table, chooses its rows by --label-column and --normal, and its features: columns that are probably not
/// features are left out, and named on standard error. `options` may name further columns. Of a folder of images
/// the label is the name of its sub-folder.
TrainingTable read_training_table(const std::string& input, const FlagSet& flags, const DetectorOptions& options);

/// The same of a table that is never held: it is read once to learn its columns and rows, and again to encode them, in
/// chunks. What is chosen, reported and encoded is the same.
class TrainingChunks {
 public:
  TrainingChunks(const std::string& input, const FlagSet& flags, const DetectorOptions& options);
  /// Its rows are columns without cells.
  const TrainingTable& table() const { return table_; }
  const TableEncoder& encoder() const { return encoder_; }
  /// To train on.
  std::int64_t rows() const { return rows_; }
  /// Calls `visit` for each chunk of the rows to train on, encoded.
  void for_each(const std::function<void(const Matrix&)>& visit);

 private:
  void read(const std::function<void(Table&)>& visit);

  std::string input_;
  ReadOptions reading_;
  TrainingTable table_;
  TableEncoder encoder_;
  std::int64_t rows_ = 0;
  bool is_read_ = false;
};

}  // namespace cugad::cli
