#pragma once

#include <cmath>

#include "cugad/ops.hpp"
#include "kernels/elementary.hpp"

/// The score of one row, in double, for all backends.
namespace cugad {

CUGAD_INLINE double standardised(float value, const float* median_and_spread, bool compress) {
  const double u = (static_cast<double>(value) - static_cast<double>(median_and_spread[0])) /
                   static_cast<double>(median_and_spread[1]);
  return compress ? copysign(log1p(fabs(u)), u) : u;
}

/// A residual plus the part expected of its missing cells.
CUGAD_INLINE float with_absent(float residual, float absent, float weight, bool squared) {
  const double r = residual, more = static_cast<double>(weight) * static_cast<double>(absent);
  return static_cast<float>(squared ? sqrt(r * r + more) : r + more);
}

CUGAD_INLINE float combined_score(const CombineScores& args, std::int64_t row) {
  double residual = 0.0, discriminator = 0.0;
  for (std::int64_t m = 0; m < args.residual.models; ++m) {
    const float* statistics = args.statistics.model(m).data;
    float own = *args.residual.model(m).row(row);
    if (args.absent.data != nullptr) {
      own = with_absent(own, *args.absent.model(0).row(row), args.absent_weight, args.absent_squared);
    }
    residual += standardised(own, statistics, args.compress);
    if (args.logit.data != nullptr) {
      discriminator += standardised(-*args.logit.model(m).row(row), statistics + 2, args.compress);
    }
  }
  const auto models = static_cast<double>(args.residual.models);
  const double mean = discriminator / models;
  // As std::max(mean, 0.0): a NaN stays one.
  const double positive = mean < 0.0 ? 0.0 : mean;
  const double score = residual / models +
                       (args.logit.data == nullptr ? 0.0 : static_cast<double>(args.discriminator_weight) * positive);
  const double surprise = args.surprise.data == nullptr ? 0.0 : static_cast<double>(*args.surprise.model(0).row(row));
  if (surprise != surprise) return NAN;  // a row without any value
  // Only an infinite cell, or one too large for float32 sums, gives NaN: nothing is farther from normal.
  return score != score ? INFINITY : static_cast<float>(score + surprise);
}

}  // namespace cugad
