#pragma once

#include <algorithm>
#include <cmath>

#include "cugad/device.hpp"
#include "cugad/ops.hpp"

/// Elementary functions of the contracts in float64, shared by the references.
namespace cugad::test {

inline double logistic(double x) { return x >= 0.0 ? 1.0 / (1.0 + std::exp(-x)) : std::exp(x) / (1.0 + std::exp(x)); }
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

inline double activate(Activation activation, double slope, double x) {
  switch (activation) {
    case Activation::identity:
      return x;
    case Activation::relu:
      return x > 0.0 ? x : 0.0;
    case Activation::leaky_relu:
      return x > 0.0 ? x : slope * x;
    case Activation::sigmoid:
      return logistic(x);
    case Activation::tanh:
      return std::tanh(x);
  }
  return std::nan("");
}

/// act'(x) from the stored value h = act(x).
inline double activation_derivative(Activation activation, double slope, double h) {
  switch (activation) {
    case Activation::identity:
      return 1.0;
    case Activation::relu:
      return h > 0.0 ? 1.0 : 0.0;
    case Activation::leaky_relu:
      return h > 0.0 ? 1.0 : slope;
    case Activation::sigmoid:
      return h * (1.0 - h);
    case Activation::tanh:
      return 1.0 - h * h;
  }
  return std::nan("");
}

/// Activations computed by a formula rather than a selection: they have rounding of their own.
inline bool is_curved(Activation activation) {
  return activation == Activation::sigmoid || activation == Activation::tanh;
}

inline bool is_dropped(float h) { return h == 0.0f && std::signbit(h); }

/// The addition of a precision to the bounds of products: operands are rounded to nearest (u = 2^-11 or 2^-8 each), and
/// tensor cores may truncate where float32 code rounds.
inline double operand_rounding(Precision precision) {
  const double u = precision == Precision::tf32 ? 0x1p-11 : precision == Precision::bf16 ? 0x1p-8 : 0.0;
  return 2.0 * u + u * u;
}
inline double sum_rounding(Precision precision) { return precision == Precision::fp32 ? 1.0 : 4.0; }

/// Word `index` of the stream of one model.
inline std::uint32_t random_word(const RandomKey& key, std::int64_t model, std::uint64_t index) {
  const std::uint64_t block = index / 4;
  const std::uint32_t counter = key.step + (key.step_counter == nullptr ? 0 : key.step_stride * *key.step_counter);
  const std::array<std::uint32_t, 4> words =
      philox4x32_10({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), counter,
                     static_cast<std::uint32_t>(key.purpose) + 256 * key.lane},
                    model_seed(key, model));
  return words[index % 4];
}

}  // namespace cugad::test
