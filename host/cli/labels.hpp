#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cugad/table.hpp"

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
