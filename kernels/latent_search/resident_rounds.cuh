#pragma once

#include "kernels/latent_search/resident_element.cuh"

/// Arithmetic between two products, on the elements of a lane.
namespace cugad::cuda {

/// Accumulators (tiles of 8 columns, four floats of a lane each) become operands (16 columns).
template <class Element>
struct ResidentRounds {
  using Pair = typename Element::Pair;
  static constexpr int round = Element::round;

  __device__ __forceinline__ static void pack(Pair (&a)[4], const float (&left)[4], const float (&right)[4]) {
    a[0] = Element::pack(left[0], left[1]);
    a[1] = Element::pack(left[2], left[3]);
    a[2] = Element::pack(right[0], right[1]);
    a[3] = Element::pack(right[2], right[3]);
  }
  /// act(h), with a bit for every h > 0.
  __device__ __forceinline__ static unsigned activate(float (&h)[4], float slope) {
    unsigned bits = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (h[i] > 0.0f) bits |= 1u << i;
      h[i] = fmaxf(h[i], h[i] * slope);
    }
    return bits;
  }
  __device__ __forceinline__ static unsigned activate(float (&left)[4], float (&right)[4], float slope) {
    const unsigned bits = activate(left, slope);
    return bits | activate(right, slope) << 4;
  }
  __device__ __forceinline__ static void derive(float (&left)[4], float (&right)[4], float slope, unsigned bits) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if ((bits >> i & 1u) == 0) left[i] *= slope;
      if ((bits >> i & 16u) == 0) right[i] *= slope;
    }
  }
  // The same for a round of columns.
  __device__ __forceinline__ static void pack(Pair (&a)[round / 16][4], const float (&sum)[round / 8][4]) {
#pragma unroll
    for (int b = 0; b < round / 16; ++b) pack(a[b], sum[2 * b], sum[2 * b + 1]);
  }
  __device__ __forceinline__ static unsigned activate_round(float (&sum)[round / 8][4], float slope) {
    unsigned bits = 0;
#pragma unroll
    for (int t = 0; t < round / 8; ++t) bits |= activate(sum[t], slope) << (4 * t);
    return bits;
  }
  __device__ __forceinline__ static void derive_round(float (&sum)[round / 8][4], float slope, unsigned bits) {
#pragma unroll
    for (int b = 0; b < round / 16; ++b) derive(sum[2 * b], sum[2 * b + 1], slope, bits >> (8 * b));
  }
};

namespace resident {

__device__ inline float quad_sum(float value) {
  value += __shfl_xor_sync(device::full_warp, value, 1);
  return value + __shfl_xor_sync(device::full_warp, value, 2);
}
__device__ inline float sign_times(float delta, float scale) {
  return delta > 0.0f ? scale : delta < 0.0f ? -scale : 0.0f;
}

__device__ inline float component(const float4& quad, int i) {
  return i == 0 ? quad.x : i == 1 ? quad.y : i == 2 ? quad.z : quad.w;
}

}  // namespace resident
}  // namespace cugad::cuda
