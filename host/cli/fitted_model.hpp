#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/table.hpp"

/// A model file as the command uses it: the detector with the encoder of its tables.
namespace cugad::cli {

/// Which rows the model was trained on, kept in the model file.
struct LabelNote {
  std::string column;               ///< empty: there was none
  std::vector<std::string> normal;  ///< empty: all rows
};

struct FittedModel {
  Detector detector;
  std::optional<TableEncoder> encoder;  ///< a detector fitted by a program has none: its columns are all numeric
  LabelNote labels;

  Matrix encode(const Table& chunk);
};

/// Keeps what load_model() needs in the detector.
void attach_table(Detector& detector, const TableEncoder& encoder, const LabelNote& labels);
FittedModel load_model(const Device& device, const std::string& path);

/// Reads `input` in chunks with bounded memory. `label_column` (empty: none) is kept as text.
class ModelInput {
 public:
  ModelInput(FittedModel& model, const std::string& input, const std::string& label_column);
  const std::vector<std::string>& column_names() const { return reader_->column_names(); }
  /// Calls `visit` for each chunk with its rows as the detector takes them.
  void for_each_chunk(const std::function<void(const Table& chunk, const Matrix& rows)>& visit);

 private:
  FittedModel& model_;
  std::unique_ptr<TableReader> reader_;
};

/// One line on standard error about category values that the training rows did not have; none if there were none.
void warn_of_unseen_values(const FittedModel& model);

}  // namespace cugad::cli
