#pragma once

#include "kernels/elementary.hpp"

/// The hash of a row's contents, integer code for all backends.
namespace cugad {

CUGAD_INLINE std::uint32_t content_hash(const float* row, std::int64_t columns) {
  std::uint64_t hash = 1469598103934665603ull;
  for (std::int64_t c = 0; c < columns; ++c) {
    // Equal rows have equal hashes: there is one missing value and one zero.
    auto word = static_cast<std::uint32_t>(to_bits(row[c]));
    if ((word & 0x7fffffffu) > 0x7f800000u) word = 0x7fc00000u;
    if (word == 0x80000000u) word = 0;
    hash = (hash ^ word) * 1099511628211ull;
  }
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

/// An odd stride through the pool: no position twice before a pool of a power of two is used up.
CUGAD_INLINE std::int32_t content_position(std::uint32_t hash, std::int32_t draw, std::int32_t pool) {
  return static_cast<std::int32_t>((hash + 2654435761u * static_cast<std::uint32_t>(draw)) %
                                   static_cast<std::uint32_t>(pool));
}

}  // namespace cugad
