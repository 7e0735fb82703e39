#pragma once

#include "kernels/elementary.hpp"

namespace cugad {

/// How many of `count` ascending entries are at least `value`; none where it is NaN.
CUGAD_INLINE std::int32_t entries_above(const float* entry, std::int32_t count, float value) {
  std::int32_t low = 0, high = count;
  while (low < high) {
    const std::int32_t middle = low + (high - low) / 2;
    if (entry[middle] >= value) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return count - low;
}

/// -log of the p-value of a cell with `above` of `count` entries above it; leave_one_out: one of them is its own.
CUGAD_INLINE float log_rank(std::int32_t above, std::int32_t count, bool leave_one_out) {
  const std::int32_t others = leave_one_out ? count : count + 1;
  const std::int32_t above_others = leave_one_out ? (above > 1 ? above : 1) : above + 1;
  return others > 0 ? log_positive(static_cast<float>(others) / static_cast<float>(above_others)) : 0.0f;
}

}  // namespace cugad
