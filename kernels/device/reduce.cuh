#pragma once

#include "kernels/device/runtime.cuh"

/// Reductions of a fixed shape: the same bits in every run.
namespace cugad::device {

/// The sum over the warp's 32 lanes, in every lane, as a butterfly: lane i adds lane i ^ 16, then ^ 8, 4, 2, 1.
template <class T>
__device__ inline T warp_sum(T value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(full_warp, value, offset);
  return value;
}

/// The sum over the block, in every thread: warps by warp_sum, then the warps in ascending order. `partial` is shared
/// memory for one T per warp; it may be used again after the next barrier.
template <class T>
__device__ inline T block_sum(T value, T* partial) {
  value = warp_sum(value);
  const int warp = static_cast<int>(threadIdx.x) / warp_lanes;
  if (threadIdx.x % warp_lanes == 0) partial[warp] = value;
  __syncthreads();
  T sum = partial[0];
  for (int w = 1; w < static_cast<int>(blockDim.x) / warp_lanes; ++w) sum += partial[w];
  return sum;
}

}  // namespace cugad::device
