#pragma once

#include <cstdint>
#include <vector>

namespace cugad {

/// The end of the columns that are one cell with column `first`, the first of them: first + 1 unless it is a category.
/// `group`: MethodNetworks::group.
inline std::int64_t end_of_cell(const std::vector<std::int32_t>& group, std::int64_t first) {
  std::int64_t end = first + 1;
  while (end < static_cast<std::int64_t>(group.size()) && group[end] == first) ++end;
  return end;
}

/// Whether a column is one of several of a cell.
inline bool is_category_column(const std::vector<std::int32_t>& group, std::int64_t column) {
  return !group.empty() && (group[column] != column || end_of_cell(group, column) > column + 1);
}

}  // namespace cugad
