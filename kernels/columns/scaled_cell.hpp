#pragma once

#include <cmath>
#include <limits>

#include "kernels/elementary.hpp"

namespace cugad {

/// A scaled cell in float32. What overflows of a finite one is the largest float: networks still see a cell.
CUGAD_INLINE float scaled_cell(float x, double scaled) {
  constexpr float largest = std::numeric_limits<float>::max();
  const auto rounded = static_cast<float>(scaled);
  return std::abs(rounded) > largest && std::abs(x) <= largest ? std::copysign(largest, rounded) : rounded;
}

}  // namespace cugad
