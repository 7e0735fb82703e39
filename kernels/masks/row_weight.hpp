#pragma once

#include "kernels/elementary.hpp"

namespace cugad {

/// What one cell weighs in a mean over rows of the mean over a row's cells; 0 for a row without cells.
CUGAD_INLINE float row_weight(float weight, std::int64_t rows, std::int64_t cells) {
  if (cells == 0) return 0.0f;
  return static_cast<float>(static_cast<double>(weight) / (static_cast<double>(rows) * static_cast<double>(cells)));
}

}  // namespace cugad
