#pragma once

#include "kernels/elementary.hpp"

/// A stateless permutation of [0, count): a four-round Feistel network on the bits of count - 1, walked until it lands
/// inside the range. Integer code, the same on every backend.
namespace cugad {

struct Permutation {
  std::uint32_t count = 1;
  std::uint32_t round_key[4] = {};
  std::uint32_t low_bits = 0, low_mask = 0, high_mask = 0;
};

CUGAD_INLINE Permutation make_permutation(std::uint32_t count, std::uint32_t key0, std::uint32_t key1,
                                          std::uint32_t key2, std::uint32_t key3) {
  std::uint32_t bits = 8;  // halves of fewer than four bits mix badly
  while (bits < 32 && (std::uint64_t{1} << bits) < count) ++bits;
  const std::uint32_t low_bits = bits / 2;
  return {count,
          {key0, key1, key2, key3},
          low_bits,
          (std::uint32_t{1} << low_bits) - 1,
          (std::uint32_t{1} << (bits - low_bits)) - 1};
}

/// The finaliser of MurmurHash3: each bit of the input reaches each bit of the output.
CUGAD_INLINE std::uint32_t mix(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

CUGAD_INLINE std::uint32_t permuted(const Permutation& p, std::uint32_t position) {
  if (p.count <= 1) return 0;
  std::uint32_t low, high;
  do {  // the network permutes a power of two: follow its cycle back into the range
    low = position & p.low_mask;
    high = position >> p.low_bits;
    high ^= mix(low ^ p.round_key[0]) & p.high_mask;
    low ^= mix(high ^ p.round_key[1]) & p.low_mask;
    high ^= mix(low ^ p.round_key[2]) & p.high_mask;
    low ^= mix(high ^ p.round_key[3]) & p.low_mask;
    position = (high << p.low_bits) | low;
  } while (position >= p.count);
  return position;
}

}  // namespace cugad
