#pragma once

#include "kernels/elementary.hpp"

/// A generator's Gaussian for one cell, the same bits on every backend.
namespace cugad {

/// A deviation of e^-3.5 = 0.03 is as good as exact for a scaled column; e^2.5 = 12 is wider than any.
constexpr float smallest_log_variance = -7.0f, largest_log_variance = 5.0f;

CUGAD_INLINE float clamped_log_variance(float v) {
  const float above = v < smallest_log_variance ? smallest_log_variance : v;
  return above > largest_log_variance ? largest_log_variance : above;
}

/// Whether the clamp passes gradients.
CUGAD_INLINE bool is_free_log_variance(float v) { return v >= smallest_log_variance && v <= largest_log_variance; }

/// exp(v / 2) of the clamped log variance. exp_negative() clamps its argument below only: in this range its reduction
/// holds for positive arguments, too.
CUGAD_INLINE float imputed_deviation(float log_variance) {
  return exp_negative(0.5f * clamped_log_variance(log_variance));
}

struct CellLikelihood {
  float value;                     ///< the negative log-likelihood
  float mean_slope, spread_slope;  ///< its derivatives with respect to mean and log variance
};

CUGAD_INLINE CellLikelihood cell_likelihood(float mean, float log_variance, float x) {
  const float v = clamped_log_variance(log_variance);
  const float off = mean - x, square = off * off, precision = exp_negative(-v);
  const float slope = multiply_add(-0.5f * square, precision, 0.5f);
  return {0.5f * multiply_add(square, precision, v), off * precision,
          is_free_log_variance(log_variance) ? slope : 0.0f};
}

/// The derivative of a drawn cell with respect to its log variance.
CUGAD_INLINE float imputed_slope(float log_variance, float noise) {
  return is_free_log_variance(log_variance) ? noise * (0.5f * imputed_deviation(log_variance)) : 0.0f;
}

}  // namespace cugad
