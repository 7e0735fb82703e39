#pragma once

#include <cmath>

#include "kernels/dense/tile_product.cuh"
#include "kernels/device/activation.cuh"
#include "kernels/device/philox.cuh"

/// What follows the product of a dense layer: activation and dropout, or the tangent of an earlier pass.
namespace cugad::cuda {

struct ForwardEnding {
  Activation activation;
  float slope;
  Dropout dropout;
  float keep_share;          ///< 1 - dropout rate
  std::uint32_t drop_below;  ///< words below this drop their unit
};

/// Of DenseForward or ConvolutionForward.
template <class Args>
ForwardEnding forward_ending(const Args& args) {
  return {args.activation, args.slope, args.dropout, 1.0f - args.dropout.rate,
          static_cast<std::uint32_t>(std::ceil(static_cast<double>(args.dropout.rate) * 4294967296.0))};
}

/// Kept units are scaled, dropped ones become -0. Adding +0 turns a -0 that an activation produced into +0.
template <int width>
__device__ void drop_units(const ForwardEnding& p, std::int64_t model, std::uint64_t first_word, float (&y)[width]) {
  const float scale = 1.0f / p.keep_share;
  const uint4 block = device::random_block(p.dropout.key, model, first_word / 4);
  const int offset = static_cast<int>(first_word % 4);
  uint4 next = block;
  if (offset + width > 4) next = device::random_block(p.dropout.key, model, first_word / 4 + 1);
#pragma unroll
  for (int i = 0; i < width; ++i) {
    const std::uint32_t word =
        offset + i < 4 ? device::word_of(block, offset + i) : device::word_of(next, offset + i - 4);
    y[i] = word < p.drop_below ? -0.0f : y[i] * scale + 0.0f;
  }
}

/// act'(h) * dropout scale * sum, h being an earlier pass's output.
__device__ inline float tangent(const ForwardEnding& p, float h, float sum) {
  float slope = device::derivative(p.activation, p.slope, h * p.keep_share);
  if (p.dropout.rate > 0.0f) {
    slope = slope * (1.0f / p.keep_share);
    if (to_bits(h) == INT32_MIN) return 0.0f;  // -0: a dropped unit
  }
  return sum * slope;
}

/// `count` neighbouring units of a row, the first of which draws word `first_word`. `h`: the same units in an earlier
/// pass whose tangent is wanted, or null.
template <int width>
__device__ inline void finish_units(const ForwardEnding& p, std::int64_t model, std::uint64_t first_word,
                                    const float* h, float* to, int count, const float* sums) {
  float y[width];
  if (h != nullptr) {
#pragma unroll
    for (int i = 0; i < width; ++i) y[i] = i < count ? tangent(p, h[i], sums[i]) : 0.0f;
  } else {
#pragma unroll
    for (int i = 0; i < width; ++i) y[i] = device::activate(p.activation, p.slope, sums[i]);
    if (p.dropout.rate > 0.0f) drop_units(p, model, first_word, y);
  }
  store_values(to, y, count);
}

}  // namespace cugad::cuda
