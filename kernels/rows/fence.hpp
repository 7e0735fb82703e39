#pragma once

#include "kernels/elementary.hpp"

namespace cugad {

/// 0.1 * 20^u for u in [0, 1), log-uniform in [.1, 2): exp by its series in double, within 2^-50, so that the bits do
/// not depend on a mathematical library.
CUGAD_INLINE float fence_deviation(float u) {
  const double x = static_cast<double>(u) * 2.995732273553991;  // log 20
  const int twos = static_cast<int>(x * 1.4426950408889634 + 0.5);
  const double r = x - static_cast<double>(twos) * 0.6931471805599453;  // at most log(2) / 2 in magnitude
  double p = 1.0;
  for (int k = 13; k > 0; --k) p = 1.0 + p * r * (1.0 / k);
  return static_cast<float>(0.1 * p * static_cast<double>(1 << twos));
}

}  // namespace cugad
