#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cugad/table.hpp"

/// The column that says which rows are normal.
namespace cugad::cli {
/// Whether the file is an .npz, whose array y is a label column by itself (told by its content, as open_table does).
bool is_npz(const std::string& input);

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
