#pragma once

#include "kernels/device/matrix_multiply.cuh"
#include "kernels/device/warpgroup_multiply.cuh"
#include "kernels/elementary.hpp"

/// The element types of the resident search: how a pair of operands is held, fetched and multiplied. One warp computes
/// 16 rows; the fragments are those of mma.m16n8k16 (kernels/device/fragment.cuh) for both types.
namespace cugad::cuda {

/// What the search is for: operands of 8 mantissa bits on tensor cores.
struct Bfloat16Element {
  using Word = std::uint16_t;  ///< in shared memory
  using Pair = std::uint32_t;  ///< two adjacent columns of a row, in a register
  static constexpr bool warpgroup = false;
  static constexpr int round = 16;          ///< columns of an activation that are produced and consumed at a time
  static constexpr bool two_chains = true;  ///< of dependent products per sum, if there are few sums
  static __device__ Pair pack(float low, float high) { return device::pack_bf16(low, high); }
  static __device__ float low(Pair pair) { return device::low_bf16(pair); }
  static __device__ float high(Pair pair) { return device::high_bf16(pair); }
  static __device__ void store(Word* two, float low, float high) {
    *reinterpret_cast<Pair*>(two) = device::pack_bf16(low, high);
  }
  static __device__ void load(Pair (&b)[4], const Word* row) { device::load_matrices(b, row); }
  static __device__ void load_transposed(Pair (&b)[4], const Word* row) { device::load_matrices_transposed(b, row); }
  static __device__ void multiply(float (&d)[4], const Pair (&a)[4], const Pair (&b)[2]) {
    device::multiply_bf16(d, a, b);
  }
  /// numerator / (sqrt(square) * correction + epsilon) to a few units in the last place: Adam's quotient.
  static __device__ float adam_quotient(float numerator, float square, float correction, float epsilon) {
    square = fmaxf(square, 1e-36f);  // sqrt below 1e-18 is nothing beside epsilon
    return __fdividef(numerator, multiply_add(square * rsqrtf(square), correction, epsilon));
  }
};

/// Four warps multiply together and read the weights once for 64 rows. Wide rounds, because a product of few columns
/// wastes the tensor cores.
struct WarpgroupElement : Bfloat16Element {
  static constexpr bool warpgroup = true;
  static constexpr int round = 64;
  static __device__ void begin() { device::begin_warpgroup_products(); }
  static __device__ void finish() { device::finish_warpgroup_products(); }
  static __device__ void publish() { device::publish_to_warpgroup_products(); }
  template <class Matrix, bool backward, int tiles>
  static __device__ __forceinline__ void multiply_group(float (&d)[tiles][4], const Pair (&a)[4], const Word* weight,
                                                        int row, int column) {
    device::multiply_warpgroup<tiles, backward>(d, a, weight, Matrix::layout(), row, column);
  }
};
/// The same algorithm in float32, lane by lane: slow, for tests of everything but the rounding. Sums are one chain of
/// fused multiply-adds in the order k = 0, 1, ..., and so the bits are the CPU's.
struct Float32Element {
  using Word = float;
  struct Pair {
    float low, high;
  };
  static constexpr bool warpgroup = false;
  static constexpr int round = 16;  ///< columns of an activation that are produced and consumed at a time
  static constexpr bool two_chains = false;
  static __device__ Pair pack(float low, float high) { return {low, high}; }
  static __device__ float low(Pair pair) { return pair.low; }
  static __device__ float high(Pair pair) { return pair.high; }
  static __device__ void store(Word* two, float low, float high) {
    two[0] = low;
    two[1] = high;
  }
  /// As load_matrices: lane l names row l % 8 of matrix l / 8.
  static __device__ void load(Pair (&b)[4], const Word* row) {
    const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
    const auto at = reinterpret_cast<unsigned long long>(row);
    for (int i = 0; i < 4; ++i) {
      const auto* from = reinterpret_cast<const float*>(__shfl_sync(device::full_warp, at, 8 * i + lane / 4));
      b[i] = {from[2 * (lane % 4)], from[2 * (lane % 4) + 1]};
    }
  }
  static __device__ void load_transposed(Pair (&b)[4], const Word* row) {
    const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
    const auto at = reinterpret_cast<unsigned long long>(row);
    for (int i = 0; i < 4; ++i) {
      const int low_row = 8 * i + 2 * (lane % 4);
      const auto* low = reinterpret_cast<const float*>(__shfl_sync(device::full_warp, at, low_row));
      const auto* high = reinterpret_cast<const float*>(__shfl_sync(device::full_warp, at, low_row + 1));
      b[i] = {low[lane / 4], high[lane / 4]};
    }
  }
  static __device__ void multiply(float (&d)[4], const Pair (&a)[4], const Pair (&b)[2]) {
    const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes, group = lane / 4, member = lane % 4;
    const auto of_lane = [](const Pair& pair, int k, int source) {
      return __shfl_sync(device::full_warp, k % 2 == 0 ? pair.low : pair.high, source);
    };
    for (int k = 0; k < 16; ++k) {
      const int holder = k % 8 / 2, half = k / 8;
      const float above = of_lane(a[2 * half], k, 4 * group + holder);
      const float below = of_lane(a[2 * half + 1], k, 4 * group + holder);
      for (int column = 0; column < 2; ++column) {
        const float weight = of_lane(b[half], k, 4 * (2 * member + column) + holder);
        d[column] = multiply_add(above, weight, d[column]);
        d[2 + column] = multiply_add(below, weight, d[2 + column]);
      }
    }
  }
  static __device__ float adam_quotient(float numerator, float square, float correction, float epsilon) {
    return numerator / multiply_add(sqrtf(square), correction, epsilon);
  }
};

}  // namespace cugad::cuda
