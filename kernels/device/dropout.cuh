#pragma once

#include "kernels/device/activation.cuh"
#include "kernels/device/philox.cuh"

/// Dropout of single units, and the gradient through activation and dropout: the device's twin of
/// kernels/cpu/dropout.hpp.
namespace cugad::device {

/// A unit kept or dropped by word `index` of the stream: scaled, or -0. `drop_below` is rate * 2^32, rounded up. Adding
/// +0 turns a -0 that an activation produced into +0.
__device__ inline float drop_unit(const Dropout& dropout, std::uint32_t drop_below, std::int64_t model,
                                  std::uint64_t index, float y) {
  const uint4 block = random_block(dropout.key, model, index / 4);
  const float scale = 1.0f / (1.0f - dropout.rate);
  return word_of(block, static_cast<int>(index % 4)) < drop_below ? -0.0f : y * scale + 0.0f;
}

/// dy * act'(y) * dropout scale, 0 at a dropped unit. y does not matter for identity without dropout.
__device__ inline float activation_gradient(Activation activation, float slope, float dropout_rate, float y, float dy) {
  if (dropout_rate == 0.0f) return activation == Activation::identity ? dy : dy * derivative(activation, slope, y);
  const float keep_share = 1.0f - dropout_rate;
  const float factor = derivative(activation, slope, y * keep_share);
  return to_bits(y) == INT32_MIN ? 0.0f : dy * (factor * (1.0f / keep_share));
}

}  // namespace cugad::device
