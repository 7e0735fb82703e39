#pragma once

#include "cugad/ops.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/elementary.hpp"

/// Activations and their derivatives of one element, operation by operation those of kernels/cpu/activation.hpp.
namespace cugad::device {

/// exp(x) to 2 eps relative for x in [-87, 88]; arguments beyond are clamped.
__device__ inline float exponential(float x) {
  x = x > -87.0f ? x : -87.0f;
  x = x < 88.0f ? x : 88.0f;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float n = multiply_add(x, 1.44269504088896341f, magic) - magic;
  float r = multiply_add(n, -0.693359375f, x);
  r = multiply_add(n, 2.12194440e-4f, r);
  float p = 1.9875691500e-4f;
  p = multiply_add(p, r, 1.3981999507e-3f);
  p = multiply_add(p, r, 8.3334519073e-3f);
  p = multiply_add(p, r, 4.1665795894e-2f);
  p = multiply_add(p, r, 1.6666665459e-1f);
  p = multiply_add(p, r, 5.0000001201e-1f);
  p = multiply_add(p, r * r, r) + 1.0f;
  return p * from_bits((static_cast<std::int32_t>(n) + 127) << 23);
}

__device__ inline float logistic(float x) { return 1.0f / (1.0f + exponential(0.0f - x)); }

/// 1 - 2 / (exp(2|x|) + 1) with the sign of x; below 1/16 the series, which keeps small values exact.
__device__ inline float hyperbolic_tangent(float x) {
  const float magnitude = from_bits(to_bits(x) & 0x7fffffff);
  if (magnitude < 0.0625f) {
    const float square = x * x;
    return multiply_add(x * square, multiply_add(square, 2.0f / 15.0f, -1.0f / 3.0f), x);
  }
  const float large = 1.0f - 2.0f / (exponential(magnitude + magnitude) + 1.0f);
  return x < 0.0f ? -large : large;
}

__device__ inline float activate(Activation kind, float slope, float h) {
  if (kind == Activation::identity || h != h) return h;
  switch (kind) {
    case Activation::relu:
      return h > 0.0f ? h : 0.0f;
    case Activation::leaky_relu:
      return h > 0.0f ? h : h * slope;
    case Activation::sigmoid:
      return logistic(h);
    case Activation::tanh:
      return hyperbolic_tangent(h);
    case Activation::identity:
      break;
  }
  return h;
}

/// act'(h) from the output y = act(h).
__device__ inline float derivative(Activation kind, float slope, float y) {
  switch (kind) {
    case Activation::relu:
      return y > 0.0f ? 1.0f : 0.0f;
    case Activation::leaky_relu:  // at 0 the slope; a positive slope keeps the sign of h in y
      return y > 0.0f ? 1.0f : slope;
    case Activation::sigmoid:
      return y * (1.0f - y);
    case Activation::tanh:
      return multiply_add(0.0f - y, y, 1.0f);
    case Activation::identity:
      break;
  }
  return 1.0f;
}

}  // namespace cugad::device
