#pragma once

#include <cmath>

#include "cugad/ops.hpp"
#include "kernels/elementary.hpp"

/// What one Adam step needs beside its buffers, the same bits on every backend: basic operations in double only.
namespace cugad {

/// base^exponent by repeated squaring; relative error below exponent * 2^-53. 1 - power(beta, t) is then off by at most
/// 2^-53 / (1 - beta), relative: the error grows with t, but the power vanishes.
CUGAD_INLINE double power(double base, std::int64_t exponent) {
  double result = 1.0;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 != 0) result *= base;
    base *= base;
  }
  return result;
}

/// The factors of decay * old + (1 - decay) * fresh, computed as the term with the larger factor plus a share of the
/// difference: two roundings, both small beside the terms, and factors that sum to 1.
struct MixtureFactors {
  bool mostly_old;
  float share;  ///< of the other term
};

CUGAD_INLINE MixtureFactors mixture_factors(double decay) {
  const bool mostly_old = decay >= 0.5;
  return {mostly_old, static_cast<float>(mostly_old ? 1.0 - decay : decay)};
}

/// Both forms as w -= step * m / (sqrt(v) * root_scale + epsilon).
struct AdamConstants {
  float step, root_scale, epsilon;
  MixtureFactors first, second, average;
};

/// `model_scale` is that of the model; the counter and the rate scale are read here (device memory).
CUGAD_INLINE AdamConstants adam_constants(const Adam& args, double model_scale) {
  const std::int64_t counted = args.step_counter == nullptr ? 0 : static_cast<std::int64_t>(*args.step_counter);
  const std::int64_t t = args.step + args.step_stride * counted;
  const double rate_scale = args.rate_scale == nullptr ? 1.0 : static_cast<double>(*args.rate_scale);
  const double correction1 = 1.0 - power(args.beta1, t), root2 = std::sqrt(1.0 - power(args.beta2, t));
  const double rate = static_cast<double>(args.learning_rate) * rate_scale * model_scale / correction1;
  const bool standard = args.form == AdamForm::standard;
  return {static_cast<float>(standard ? rate : rate * root2),
          static_cast<float>(standard ? 1.0 / root2 : 1.0),
          args.epsilon,
          mixture_factors(args.beta1),
          mixture_factors(args.beta2),
          mixture_factors(static_cast<double>(args.average_decay))};
}

}  // namespace cugad
