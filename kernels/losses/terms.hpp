#pragma once

#include <cmath>

#include "kernels/elementary.hpp"

/// The scalar parts of the losses, the same bits on every backend.
namespace cugad {

/// weight * sum / count, rounded once.
CUGAD_INLINE float mean_loss(float weight, double sum, std::int64_t count) {
  return static_cast<float>(static_cast<double>(weight) * sum / static_cast<double>(count));
}

/// What the sign of a difference (l1) or the difference itself (squared) is multiplied by in the gradient.
CUGAD_INLINE float difference_slope(bool squared, float weight, std::int64_t count) {
  return static_cast<float>((squared ? 2.0 : 1.0) * static_cast<double>(weight) / static_cast<double>(count));
}

CUGAD_INLINE float sign_of(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f; }

/// One row of the gradient penalty, from the squared norm of its gradient.
struct PenaltyTerms {
  double loss;   ///< (|g| - target)^2
  float factor;  ///< tangent = factor * g
};

/// 2 weight / rows, the common part of every row's factor.
CUGAD_INLINE double penalty_slope(float weight, std::int64_t rows) {
  return 2.0 * static_cast<double>(weight) / static_cast<double>(rows);
}

CUGAD_INLINE PenaltyTerms penalty_terms(double squared_norm, float target, double slope) {
  const double norm = std::sqrt(squared_norm), excess = norm - static_cast<double>(target);
  const double share = norm == 0.0 ? 0.0 : target == 0.0f ? 1.0 : excess / norm;
  return {excess * excess, static_cast<float>(slope * share)};
}

/// One column of feature matching.
CUGAD_INLINE float matching_slope(double difference, float weight, std::int64_t generated) {
  return static_cast<float>(-2.0 * static_cast<double>(weight) / static_cast<double>(generated) * difference);
}

}  // namespace cugad
