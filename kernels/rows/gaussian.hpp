#pragma once

#include "kernels/elementary.hpp"

/// The scalar parts of the reparameterised draw, the same bits on every backend.
namespace cugad {

constexpr float log_variance_limit = 10.0f;

/// exp(v / 2) of the clamped log variance v. exp_negative() clamps its argument below only: at most 5 as here, its
/// reduction holds for positive arguments too.
CUGAD_INLINE float gaussian_deviation(float log_variance) {
  const float above = log_variance < -log_variance_limit ? -log_variance_limit : log_variance;
  return exp_negative(0.5f * (above > log_variance_limit ? log_variance_limit : above));
}

/// d z / d log variance; 0 if it is clamped.
CUGAD_INLINE float gaussian_slope(float log_variance, float noise) {
  const bool inside = log_variance >= -log_variance_limit && log_variance <= log_variance_limit;
  return inside ? noise * (0.5f * gaussian_deviation(log_variance)) : 0.0f;
}

}  // namespace cugad
