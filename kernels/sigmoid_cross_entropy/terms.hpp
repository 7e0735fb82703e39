#pragma once

#include "kernels/elementary.hpp"

namespace cugad {

/// What the sigmoid cross-entropy needs of one logit, the same bits on every backend.
struct CrossEntropyTerms {
  float per_row, probability;
  float slope;  ///< probability - target
};

CUGAD_INLINE CrossEntropyTerms cross_entropy_terms(float logit, float target) {
  const bool negative = logit < 0.0f;
  const float e = exp_negative(negative ? logit : -logit);
  const float positive = negative ? 0.0f : logit;
  const float major = 1.0f / (1.0f + e), minor = e / (1.0f + e);
  const float p = negative ? minor : major, complement = negative ? major : minor;
  // p - t, without losing the digits of a logit that is almost right.
  return {multiply_add(-logit, target, positive) + log1p_unit(e), p, p * (1.0f - target) - complement * target};
}

}  // namespace cugad
