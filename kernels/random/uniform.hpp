#pragma once

#include "kernels/elementary.hpp"

namespace cugad {

/// A random word as a uniform number in [0, 1): its upper 24 bits, exact.
CUGAD_INLINE float unit_uniform(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24f;
}

}  // namespace cugad
