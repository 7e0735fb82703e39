#pragma once

#include "cugad/rng.hpp"
#include "kernels/device/runtime.cuh"

/// The random words of a RandomKey on the device. cuRAND gives the same words, but its header puts 218 KB of tables of
/// another generator into the object of every file that includes it, for every architecture.
namespace cugad::device {

/// The step at which a stream is read.
__device__ inline std::uint32_t stream_step(const RandomKey& key) {
  return key.step + (key.step_counter == nullptr ? 0u : key.step_stride * *key.step_counter);
}

/// The four words of block `block` of the stream `key` of model `model`.
__device__ inline uint4 random_block(const RandomKey& key, std::int64_t model, std::uint64_t block) {
  const std::uint64_t seed = model_seed(key, model);
  const std::uint32_t step = stream_step(key);
  const std::uint32_t purpose = static_cast<std::uint32_t>(key.purpose) + 256u * key.lane;
  const auto low = static_cast<std::uint32_t>(block), high = static_cast<std::uint32_t>(block >> 32);
  const std::array<std::uint32_t, 4> words = philox4x32_10({low, high, step, purpose}, seed);
  return make_uint4(words[0], words[1], words[2], words[3]);
}

/// Word `index` (0 to 3) of a block.
__device__ inline std::uint32_t word_of(const uint4& block, int index) {
  return index == 0 ? block.x : index == 1 ? block.y : index == 2 ? block.z : block.w;
}

}  // namespace cugad::device
