#pragma once

#include "kernels/device/runtime.cuh"

/// Four consecutive floats per thread: one 16-byte access if the address is aligned, else one by one. Which thread
/// holds which element never depends on the alignment, and so no sum does.
namespace cugad::device {

__device__ inline bool is_aligned16(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 16 == 0; }

/// The first `count` elements (at most 4); the rest become 0. `aligned` promises a 16-byte aligned address.
__device__ inline void load_quad(float (&quad)[4], const float* from, std::int64_t count, bool aligned) {
  if (aligned && count >= 4) {
    const float4 all = *reinterpret_cast<const float4*>(from);
    quad[0] = all.x;
    quad[1] = all.y;
    quad[2] = all.z;
    quad[3] = all.w;
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) quad[i] = i < count ? from[i] : 0.0f;
  }
}

__device__ inline void store_quad(float* to, const float (&quad)[4], std::int64_t count, bool aligned) {
  if (aligned && count >= 4) {
    *reinterpret_cast<float4*>(to) = make_float4(quad[0], quad[1], quad[2], quad[3]);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i < count) to[i] = quad[i];
    }
  }
}

}  // namespace cugad::device
