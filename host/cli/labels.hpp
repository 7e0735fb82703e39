#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cugad/table.hpp"
#include "host/cli/fitted_model.hpp"

/// The column that labels the normal rows.
namespace cugad::cli {
/// Whether the file is an .npz, whose array y is a label column by itself (recognised by its content, as in
/// open_table).
bool is_npz(const std::string& input);

/// For each row whether its label is missing: such a row is neither normal nor an anomaly.
std::vector<std::uint8_t> without_label(const Table& table, const std::string& column);
std::int64_t count_without_label(const Table& table, const std::string& column);
/// One line on standard error about so many rows; none if there are none.
void note_rows_without_label(std::int64_t rows, const std::string& column);

/// Which rows count as anomalies.
struct Labelling {
  std::string column;
  std::vector<std::string> values;
  bool values_are_normal = false;  ///< else they are the anomalies
};
/// From --label-column, --anomaly and --normal, or as the model was trained. UsageError if neither says it.
Labelling read_labelling(const FlagSet& flags, const FittedModel& model, const std::string& input);
/// Of each row: 1 an anomaly, 0 normal, -1 without a label.
std::vector<std::int8_t> labels_of(const Table& table, const Labelling& labelling);

/// Counts the distinct values of a label column, for messages.
class LabelValues {
 public:
  void add(const Table& table, const std::string& column);
  /// "'normal', 'smurf' and 12 more": the most frequent five.
  std::string describe() const;

 private:
  std::map<std::string, std::int64_t> counts_;
};

}  // namespace cugad::cli
