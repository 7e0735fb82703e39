#pragma once

#include <limits>

#include "cugad/tensor.hpp"
#include "kernels/elementary.hpp"

namespace cugad {

/// The mean over models of a cell; of all NaNs the quiet one, because sign and payload differ from chip to chip.
CUGAD_INLINE float mean_over_models(const StackView<const float>& value, std::int64_t r, std::int64_t c) {
  double sum = 0.0;
  for (std::int64_t m = 0; m < value.models; ++m) sum += static_cast<double>(value.model(m).row(r)[c]);
  const auto mean = static_cast<float>(sum / static_cast<double>(value.models));
  return mean == mean ? mean : std::numeric_limits<float>::quiet_NaN();
}

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
