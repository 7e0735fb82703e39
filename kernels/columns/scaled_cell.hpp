#pragma once

#include <limits>

#include "kernels/elementary.hpp"

namespace cugad {

/// A scaled cell in float32; what overflows there is the largest float, so that networks still see a cell.
CUGAD_INLINE float scaled_cell(double scaled) {
  constexpr float largest = std::numeric_limits<float>::max();
  const auto rounded = static_cast<float>(scaled);
  const float above = rounded < -largest ? -largest : rounded;
  return above > largest ? largest : above;
}

}  // namespace cugad
