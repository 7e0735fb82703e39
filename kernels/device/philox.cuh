#pragma once

#include "cugad/rng.hpp"
#include "kernels/device/runtime.cuh"
#if defined(__CUDACC__)
#include <curand_kernel.h>
#endif

/// The random words of a RandomKey on the device: cuRAND's generator on a GPU, the library's own under the emulator.
namespace cugad::device {

/// The step at which a stream is read.
__device__ inline std::uint32_t stream_step(const RandomKey& key) {
  return key.step + (key.step_counter == nullptr ? 0u : key.step_stride * *key.step_counter);
}

/// The four words of block `block` of the stream `key` of model `model`.
__device__ inline uint4 random_block(const RandomKey& key, std::int64_t model, std::uint64_t block) {
  const std::uint64_t seed = key.seed + static_cast<std::uint64_t>(model);
  const std::uint32_t step = stream_step(key);
  const std::uint32_t purpose = static_cast<std::uint32_t>(key.purpose) + 256u * key.lane;
  const auto low = static_cast<std::uint32_t>(block), high = static_cast<std::uint32_t>(block >> 32);
#if defined(__CUDACC__)
  return curand_Philox4x32_10(make_uint4(low, high, step, purpose),
                              make_uint2(static_cast<unsigned>(seed), static_cast<unsigned>(seed >> 32)));
#else
  const std::array<std::uint32_t, 4> words = philox4x32_10({low, high, step, purpose}, seed);
  return make_uint4(words[0], words[1], words[2], words[3]);
#endif
}

/// Word `index` (0 to 3) of a block.
__device__ inline std::uint32_t word_of(const uint4& block, int index) {
  return index == 0 ? block.x : index == 1 ? block.y : index == 2 ? block.z : block.w;
}

}  // namespace cugad::device
