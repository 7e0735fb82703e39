#pragma once

#include <cstdint>

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// 16 partial sums to one, by a fixed tree.
inline double tree_sum(const double (&partial)[16]) {
  double sum[16];
  for (int i = 0; i < 16; ++i) sum[i] = partial[i];
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) sum[i] += sum[i + half];
  }
  return sum[0];
}

/// A sum in double in the same order as that of InterleavedSquares.
class InterleavedSum {
 public:
  void add(const double* values, std::int64_t count) {
    std::int64_t first = 0;
    for (; first + 16 <= count; first += 16) {
      for (int i = 0; i < 16; ++i) partial_[i] += values[first + i];
    }
    for (int i = 0; first + i < count; ++i) partial_[i] += values[first + i];
  }
  double total() const { return tree_sum(partial_); }

 private:
  double partial_[16] = {};
};

/// A sum of squares in double: 16 partial sums, element i in partial i % 16, then a fixed tree. The order does not
/// depend on the instruction set, and a square of a float is exact in double, so fusing it changes nothing either.
class InterleavedSquares {
 public:
  void add(const float* values) {
    for (int i = 0; i < 16; ++i) partial_[i] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  void add(const float* values, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      partial_[i] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    }
  }
  double total() const { return tree_sum(partial_); }

 private:
  double partial_[16] = {};
};

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
