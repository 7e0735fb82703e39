#pragma once

#include <array>
#include <cstdint>

/// Counter-based randomness: value = f(seed, purpose, step, element). There is no generator state, so any part of a run
/// can be recomputed anywhere, in any order, with the same bits.
namespace cugad {

/// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): ten rounds on a 128-bit counter
/// under a 64-bit key. Equal to the bit to cuRAND's curand_Philox4x32_10(counter, key).
constexpr std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
  auto low = static_cast<std::uint32_t>(key);
  auto high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ low, static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ high, static_cast<std::uint32_t>(product0)};
    low += 0x9E3779B9u;
    high += 0xBB67AE85u;
  }
  return counter;
}

/// The purpose of a stream of random numbers. Reproducibility depends on the values: never renumber.
enum class RandomPurpose : std::uint32_t {
  initial_weights = 1,
  minibatch = 2,
  latent = 3,
  dropout = 4,
  fence = 5,
  search_start = 6,
  bank = 7,
  sample = 8,
  calibration = 9,
  evaluation = 10,
  synthesis = 11,
  augmentation = 12,
};

/// Names one stream. Model m of a stack draws with the key `seed + m`, so that a population of N with seed s equals
/// N populations of one with seeds s, s + 1, ..., or with its own of `model_seeds`. Word w of the stream is word w % 4
/// of the Philox block with counter {block low, block high, step, purpose + 256 * lane}, block = w / 4. In cuRAND's
/// terms: subsequence = step + (counter word 3 << 32), offset = w.
struct RandomKey {
  std::uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::sample;
  std::uint32_t lane = 0;                       ///< distinguishes streams of one purpose (layer, network, pass)
  std::uint32_t step = 0;                       ///< training or search step
  const std::uint32_t* step_counter = nullptr;  ///< when given (device memory), see step_stride
  std::uint32_t step_stride = 1;                ///< step used = step + step_stride * *step_counter, modulo 2^32
  const std::uint64_t* model_seeds = nullptr;   ///< when given (device memory), model m draws with model_seeds[m]
};

/// The key that model `model` of a stack draws with.
constexpr std::uint64_t model_seed(const RandomKey& key, std::int64_t model) {
  return key.model_seeds == nullptr ? key.seed + static_cast<std::uint64_t>(model) : key.model_seeds[model];
}

}  // namespace cugad
