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

/// The sum of 16 numbers of one thread as a tree: number i adds number i + 8, then + 4, 2, 1. The numbers are used up.
template <class T>
__device__ inline T tree_sum(T (&value)[16]) {
#pragma unroll
  for (int level = 0; level < 4; ++level) {  // counted so that it unrolls, and the numbers stay in registers
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      if (i < 8 >> level) value[i] += value[i + (8 >> level)];
    }
  }
  return value[0];
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
