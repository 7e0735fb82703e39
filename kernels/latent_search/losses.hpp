#pragma once

#include <algorithm>
#include <cmath>

#include "cugad/ops.hpp"
#include "kernels/cpu/simd.hpp"

/// The per-row losses of the latent search and their gradients.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// Sum of the lanes, first to last.
inline float sum_lanes(Vec v) {
  alignas(64) float lane[width];
  store(lane, v);
  float sum = 0.0f;
  for (int i = 0; i < width; ++i) sum += lane[i];
  return sum;
}

/// The distance of two rows over the cells whose weight is 1 (weight null: all); and, where gradient is given,
/// gradient = factor * d distance / d b.
inline float distance_and_gradient(Distance metric, const float* a, const float* b, const float* weight,
                                   std::int64_t columns, float factor, float* gradient) {
  Vec total = set(0.0f);
  const auto difference = [&](std::int64_t c, int n) {
    const Vec delta = load_some(b + c, n) - load_some(a + c, n);
    return weight == nullptr ? delta : delta * load_some(weight + c, n);
  };
  for_vectors(columns, [&](std::int64_t c, int n) {
    const Vec delta = difference(c, n);
    total = metric == Distance::l1 ? total + absolute(delta) : fused(delta, delta, total);
    if (gradient == nullptr) return;
    if (metric == Distance::l1) store_some(gradient + c, sign(delta) * set(factor), n);
    if (metric == Distance::squared) store_some(gradient + c, delta * set(2.0f * factor), n);
  });
  float result = sum_lanes(total);
  if (metric == Distance::l2) {
    result = std::sqrt(result);
    if (gradient != nullptr) {
      const Vec scale = set(result > 0.0f ? factor / result : 0.0f);
      for_vectors(columns, [&](std::int64_t c, int n) { store_some(gradient + c, difference(c, n) * scale, n); });
    }
  }
  return result;
}

inline float softplus(float t) { return std::max(t, 0.0f) + std::log1p(std::exp(-std::abs(t))); }
inline float logistic_scalar(float t) {
  const float e = std::exp(-std::abs(t));
  return t >= 0.0f ? 1.0f / (1.0f + e) : e / (1.0f + e);
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
