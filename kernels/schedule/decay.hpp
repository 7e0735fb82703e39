#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/elementary.hpp"

namespace cugad {

/// The factor on the learning rates at step t: a cosine from 1 at step 0 to final_rate at decay_steps and beyond. The
/// cosine is the platform's, in double; rounding once to float hides nearly all of its differences.
CUGAD_INLINE float decayed_rate(double final_rate, std::int64_t decay_steps, std::int64_t t) {
  if (final_rate >= 1.0) return 1.0f;
  const double part = static_cast<double>(t) / static_cast<double>(decay_steps);
  const double share = part < 1.0 ? part : 1.0;
  return static_cast<float>(final_rate + (1.0 - final_rate) * 0.5 * (1.0 + std::cos(3.141592653589793 * share)));
}

}  // namespace cugad
