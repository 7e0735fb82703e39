#pragma once

#include <cstring>

#include "cugad/ops.hpp"
#include "kernels/cpu/simd.hpp"

/// Activations and their derivatives on vectors.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// exp(x) to 2 eps relative for x in [-87, 88]; arguments beyond are clamped. Cody and Waite reduction, degree 6.
inline Vec exponential(Vec x) {
  typedef std::int32_t Integers __attribute__((vector_size(sizeof(Vec))));
  x = minimum(maximum(x, set(-87.0f)), set(88.0f));
  const Vec magic = set(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec n = fused(x, set(1.44269504088896341f), magic) - magic;
  Vec r = fused(n, set(-0.693359375f), x);
  r = fused(n, set(2.12194440e-4f), r);
  Vec p = set(1.9875691500e-4f);
  p = fused(p, r, set(1.3981999507e-3f));
  p = fused(p, r, set(8.3334519073e-3f));
  p = fused(p, r, set(4.1665795894e-2f));
  p = fused(p, r, set(1.6666665459e-1f));
  p = fused(p, r, set(5.0000001201e-1f));
  p = fused(p, r * r, r) + set(1.0f);
  Integers exponent = __builtin_convertvector(n, Integers);
  exponent = (exponent + 127) << 23;
  Vec power;
  std::memcpy(&power, &exponent, sizeof power);
  return p * power;
}

inline Vec logistic(Vec x) { return set(1.0f) / (set(1.0f) + exponential(set(0.0f) - x)); }

/// 1 - 2 / (exp(2|x|) + 1) with the sign of x; below 1/16 the series, which keeps small values exact.
inline Vec hyperbolic_tangent(Vec x) {
  const Vec magnitude = absolute(x);
  const Vec large = set(1.0f) - set(2.0f) / (exponential(magnitude + magnitude) + set(1.0f));
  const Vec square = x * x;
  const Vec series = fused(x * square, fused(square, set(2.0f / 15.0f), set(-1.0f / 3.0f)), x);
  return select_less(magnitude, set(0.0625f), series, large * sign(x));
}

inline Vec activate(Activation kind, float slope, Vec h) {
  const Vec zero = set(0.0f);
  switch (kind) {
    case Activation::relu:
      return select_number(h, maximum(h, zero), h);
    case Activation::leaky_relu:
      return select_less(zero, h, h, h * set(slope));
    case Activation::sigmoid:
      return select_number(h, logistic(h), h);
    case Activation::tanh:
      return select_number(h, hyperbolic_tangent(h), h);
    case Activation::identity:
      break;
  }
  return h;
}

/// act'(h) from the output y = act(h).
inline Vec derivative(Activation kind, float slope, Vec y) {
  const Vec zero = set(0.0f), one = set(1.0f);
  switch (kind) {
    case Activation::relu:
      return select_less(zero, y, one, zero);
    // At 0 the slope, as for negative inputs; a positive slope keeps the sign of h in y.
    case Activation::leaky_relu:
      return select_less(zero, y, one, set(slope));
    case Activation::sigmoid:
      return y * (one - y);
    case Activation::tanh:
      return fused(zero - y, y, one);
    case Activation::identity:
      break;
  }
  return one;
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
