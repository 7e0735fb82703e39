#pragma once

#include <algorithm>
#include <cstdint>

#include "cugad/ops/convolution.hpp"

/// The geometry of convolutions, for all backends. Every product is one of three: a pass of data to the smaller image
/// (it gathers), one to the larger image (it scatters), or the gradient of the weights; a forward and a backward pass
/// differ in nothing else.
namespace cugad::convolution {

/// One direction of a pass as target pixels see it. Target coordinates first + i * apart (i < count) have the taps
/// tap + j * tap_step (j < taps); tap j of coordinate i reads the source at origin + i * move + j * turn.
struct Axis {
  std::int32_t first, apart, count;
  std::int32_t tap, tap_step, taps;
  std::int32_t origin, move, turn;
};

/// A pass that gathers: every tap of every window.
static constexpr Axis gathering_axis(std::int32_t target, std::int32_t window, std::int32_t stride, std::int32_t pad) {
  return {0, 1, target, 0, 1, window, -pad, stride, 1};
}

/// A pass that scatters, for the taps that leave the rest `phase` when divided by the stride: those of every stride-th
/// target pixel, which see the source as in a pass of stride 1, mirrored.
static constexpr Axis scattering_axis(std::int32_t target, std::int32_t window, std::int32_t stride, std::int32_t pad,
                                      std::int32_t phase) {
  const std::int32_t first = (phase + stride - pad % stride) % stride;
  return {first,
          stride,
          first < target ? (target - first + stride - 1) / stride : 0,
          phase,
          stride,
          phase < window ? (window - phase + stride - 1) / stride : 0,
          (first + pad - phase) / stride,
          1,
          -1};
}

/// Both directions: the pixels of the target that have the same taps.
struct Phase {
  Axis y, x;
};

/// A pass of data from one image to another.
struct Pass {
  ImageShape source, target;
  Window window;
  bool scatters;

  constexpr std::int32_t phases_along() const { return scatters ? window.stride : 1; }
  constexpr Phase phase(std::int32_t y, std::int32_t x) const {
    if (!scatters) {
      return {gathering_axis(target.height, window.height, window.stride, window.pad_top),
              gathering_axis(target.width, window.width, window.stride, window.pad_left)};
    }
    return {scattering_axis(target.height, window.height, window.stride, window.pad_top, y),
            scattering_axis(target.width, window.width, window.stride, window.pad_left, x)};
  }
};

static constexpr Pass forward_pass(const ImageShape& from, const ImageShape& to, const Window& window) {
  return {from, to, window, window.transposed};
}
static constexpr Pass backward_pass(const ImageShape& from, const ImageShape& to, const Window& window) {
  return {to, from, window, !window.transposed};
}

static constexpr std::int64_t pixels_of(const ImageShape& image) { return std::int64_t{image.height} * image.width; }

/// Rows whose products make one chain of the gradient of the weights: a function of the row count and the pixels of the
/// smaller image alone, so that results are the same everywhere; at most 64 chains bound the memory of their sums.
static constexpr std::int64_t rows_per_chain(std::int64_t rows, std::int64_t pixels) {
  constexpr std::int64_t pixels_per_chain = 1024, most_chains = 64;
  return std::max((pixels_per_chain + pixels - 1) / pixels, (rows + most_chains - 1) / most_chains);
}

}  // namespace cugad::convolution
