#pragma once

#include <algorithm>
#include <cmath>

#include "cugad/ops.hpp"
#include "kernels/cpu/simd.hpp"
#include "kernels/latent_search/search_terms.hpp"

/// The per-row losses of the latent search and their gradients.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// A sum over columns that no instruction set changes: column c goes to partial sum c % 16, then first to last.
class ColumnSum {
 public:
  Vec& at(std::int64_t column) { return partial_[column / width % slots]; }
  float total() const {
    alignas(64) float lane[16];
    for (int slot = 0; slot < slots; ++slot) store(lane + slot * width, partial_[slot]);
    float sum = 0.0f;
    for (float value : lane) sum += value;
    return sum;
  }

 private:
  static constexpr int slots = 16 / width;
  Vec partial_[slots] = {};
};

/// The distance of two rows over the cells whose weight is 1 (weight null: all); and, if gradient is given,
/// gradient = factor * d distance / d b.
inline float distance_and_gradient(Distance metric, const float* a, const float* b, const float* weight,
                                   std::int64_t columns, float factor, float* gradient) {
  ColumnSum sum;
  const auto difference = [&](std::int64_t c, int n) {
    const Vec delta = load_some(b + c, n) - load_some(a + c, n);
    return weight == nullptr ? delta : delta * load_some(weight + c, n);
  };
  for_vectors(columns, [&](std::int64_t c, int n) {
    const Vec delta = difference(c, n);
    Vec& total = sum.at(c);
    total = metric == Distance::l1 ? total + absolute(delta) : fused(delta, delta, total);
    if (gradient == nullptr) return;
    if (metric == Distance::l1) store_some(gradient + c, sign(delta) * set(factor), n);
    if (metric == Distance::squared) store_some(gradient + c, delta * set(2.0f * factor), n);
  });
  float result = sum.total();
  if (metric == Distance::l2) {
    result = std::sqrt(result);
    if (gradient != nullptr) {
      const Vec scale = set(result > 0.0f ? factor / result : 0.0f);
      for_vectors(columns, [&](std::int64_t c, int n) { store_some(gradient + c, difference(c, n) * scale, n); });
    }
  }
  return result;
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
