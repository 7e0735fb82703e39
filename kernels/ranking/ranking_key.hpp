#pragma once

#include "kernels/elementary.hpp"

/// A scored row as one whole number: ascending keys are descending scores, and the label is the lowest bit. Shared by
/// all backends. Both zeros give the same key.
namespace cugad {

CUGAD_INLINE std::uint64_t ranking_key(float score, bool anomaly) {
  auto bits = static_cast<std::uint32_t>(to_bits(score));
  // In integers: subnormal scores keep their order even if arithmetic flushes them to 0.
  if (bits == 0x80000000u) bits = 0;
  const std::uint32_t descending = (bits >> 31) != 0 ? bits : ~(bits | 0x80000000u);
  return static_cast<std::uint64_t>(descending) << 1 | (anomaly ? 1u : 0u);
}

constexpr int ranking_key_bits = 33;

}  // namespace cugad
