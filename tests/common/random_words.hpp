#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <vector>

#include "cugad/rng.hpp"

/// Random numbers for tests, from the published generator but not through the library's ops.
namespace cugad::test {

/// Word `index` of the stream that `key` names, as include/cugad/rng.hpp defines it, for model `model` of a stack.
inline std::uint32_t random_word(const RandomKey& key, std::uint64_t model, std::uint64_t index) {
  const std::uint64_t block = index / 4;
  return philox4x32_10({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), key.step,
                        static_cast<std::uint32_t>(key.purpose) + 256 * key.lane},
                       model_seed(key, static_cast<std::int64_t>(model)))[index % 4];
}

/// A sequence of numbers, one after the other.
class RandomNumbers {
 public:
  explicit RandomNumbers(std::uint64_t seed) : key_{.seed = seed, .purpose = RandomPurpose::synthesis} {}
  double uniform() { return (random_word(key_, 0, next_++) + 0.5) / 4294967296.0; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }
  /// An index below `count`.
  std::int64_t below(std::int64_t count) { return static_cast<std::int64_t>(uniform() * static_cast<double>(count)); }

 private:
  RandomKey key_;
  std::uint64_t next_ = 0;
};

/// Equal to the bit: NaN equals itself, 0 differs from -0.
inline bool same_bits(const std::vector<float>& first, const std::vector<float>& second) {
  return first.size() == second.size() &&
         (first.empty() || std::memcmp(first.data(), second.data(), sizeof(float) * first.size()) == 0);
}

}  // namespace cugad::test
