#pragma once

#include <limits>

#include "cugad/tensor.hpp"
#include "kernels/elementary.hpp"

namespace cugad {

/// No value lies so many spreads beyond the others that more would matter.
constexpr float largest_tail = 1e30f;

/// The mean over models of the cell in columns [c, end); of all NaNs the quiet one, because sign and payload differ
/// from chip to chip.
CUGAD_INLINE float mean_over_models(const StackView<const float>& value, std::int64_t r, std::int64_t c,
                                    std::int64_t end) {
  double sum = 0.0;
  for (std::int64_t m = 0; m < value.models; ++m) {
    for (std::int64_t i = c; i < end; ++i) sum += static_cast<double>(value.model(m).row(r)[i]);
  }
  const auto mean = static_cast<float>(sum / static_cast<double>(value.models * (end - c)));
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

/// What a value beyond all other entries adds to its rank: log(1 + excess / spread), the spread being that of the upper
/// half of the entries. 0 without a spread. NaN, what remains of a cell too large for sums, lies farthest out.
CUGAD_INLINE float log_tail(const float* entry, std::int32_t count, float value, bool leave_one_out) {
  const std::int32_t last = count - (leave_one_out ? 2 : 1);
  if (last < 0) return 0.0f;
  const float excess = value - entry[last], spread = entry[last] - entry[last / 2];
  if (value <= entry[last] || !(spread > 0.0f)) return 0.0f;
  const float ratio = excess / spread;
  return log_positive(1.0f + (ratio < largest_tail ? ratio : largest_tail));
}

/// The rank of a value among a column's entries.
CUGAD_INLINE float rank_of(const float* entry, std::int32_t count, float value, bool leave_one_out) {
  return log_rank(entries_above(entry, count, value), count, leave_one_out) +
         log_tail(entry, count, value, leave_one_out);
}

}  // namespace cugad
