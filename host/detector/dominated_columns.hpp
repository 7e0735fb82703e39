#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/table.hpp"
#include "host/detector/transform.hpp"

namespace cugad {

/// Of each column the values that are present, and the lowest and the highest of them.
struct ColumnRanges {
  std::vector<std::int64_t> present;
  Matrix range;  ///< [columns, 2]
};
ColumnRanges column_ranges(MatrixView<const float> rows);

/// One line for each of at most 10 numeric columns whose scale a single cell sets: without it the spread of the column,
/// under log1p where that is taken, would be less than a tenth, and differences of the other rows hardly count. Names
/// the column, the value and the row: rows[i] is training row positions[i], or i if there are none. For the scales
/// standard and minmax; the others do not depend on one cell.
std::vector<std::string> dominated_columns(MatrixView<const float> rows, const ColumnRanges& ranges,
                                           const std::vector<std::int64_t>& positions,
                                           const FeatureTransform& transform, const DetectorOptions& options,
                                           const std::vector<std::string>& names, std::int64_t numeric_columns);

}  // namespace cugad
