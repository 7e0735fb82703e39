#pragma once

#include "kernels/device/runtime.cuh"

/// Sorting. Rows of numbers are sorted all at once, as one list of 64-bit keys with the row's number above the number's
/// order. Defined in sort.cu, so that the toolkit's slow header is compiled once.
namespace cugad::device {

/// Temporary memory of sort_keys; count must not be 0.
std::size_t sort_bytes(std::int64_t count, int bits);

/// Sorts keys by their lowest `bits` bits, ascending; the bits above must be 0. Uses both buffers and returns the one
/// that holds the result.
std::uint64_t* sort_keys(void* stream, std::uint64_t* keys, std::uint64_t* other, std::int64_t count, int bits,
                         void* temporary, std::size_t temporary_bytes);

/// Bits that hold the numbers 0 to count - 1.
constexpr int bits_for(std::int64_t count) {
  int bits = 0;
  while ((std::int64_t{1} << bits) < count) ++bits;
  return bits;
}

/// Whole numbers in the order of the floats (-0 below +0); NaN has no place in it.
__device__ inline std::uint32_t order_of(float value) {
  const std::uint32_t bits = __float_as_uint(value);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ inline float value_of(std::uint32_t order) {
  return __uint_as_float((order >> 31) != 0 ? order & 0x7fffffffu : ~order);
}

}  // namespace cugad::device
