#pragma once

#include <cstdint>
#include <vector>

namespace cugad {

/// The columns that each mask of a likelihood score hides (1). Every column is hidden by at least one, a category's by
/// the same ones: group[c] is the first column of that of column c, c itself for a column alone.
std::vector<std::vector<float>> scoring_masks(const std::vector<std::int32_t>& group, std::uint64_t seed);

}  // namespace cugad
