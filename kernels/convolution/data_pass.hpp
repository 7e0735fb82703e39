#pragma once

#include "kernels/convolution/patches.hpp"

/// Passes of data through a convolution, forwards and backwards: for each phase of the target's pixels the patches of a
/// few pixels times the weights of the phase's taps.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// How a pass reads the weight matrix [out, taps * in]: forwards the target's channels are its rows, backwards the
/// source's.
struct PassWeights {
  MatrixView<const float> matrix;
  bool backwards;
};

/// Multiplications of a row.
inline double pass_products(const convolution::Pass& pass) {
  const ImageShape& smaller = pass.scatters ? pass.source : pass.target;
  return static_cast<double>(convolution::pixels_of(smaller)) * pass.window.height * pass.window.width *
         pass.source.channels * pass.target.channels;
}

/// Floats of the packed weights of all phases.
inline std::int64_t packed_weights_size(const convolution::Pass& pass) {
  return packed_size(std::int64_t{pass.window.height} * pass.window.width * pass.source.channels, pass.target.channels);
}

/// Floats of the patches of a thread: the phase with the most taps has the longest.
inline std::int64_t patches_size(const convolution::Pass& pass) {
  const convolution::Phase phase = pass.phase(0, 0);
  return PhasePixels::floats(std::int64_t{phase.y.taps} * phase.x.taps * pass.source.channels);
}

/// Packs the weights of one phase, k = (tap, channel of the source).
inline void pack_phase(const convolution::Pass& pass, const convolution::Phase& phase, const PassWeights& weights,
                       float* packed) {
  const std::int64_t source = pass.source.channels, target = pass.target.channels;
  const std::int64_t depth = std::int64_t{phase.y.taps} * phase.x.taps * source;
  for (std::int64_t first = 0; first < target; first += panel_width) {
    const std::int64_t columns = std::min<std::int64_t>(panel_width, target - first);
    float* to = packed + first * depth;
    for (std::int64_t y = 0; y < phase.y.taps; ++y) {
      for (std::int64_t x = 0; x < phase.x.taps; ++x, to += source * rounded_up(columns, width)) {
        const std::int64_t tap =
            (phase.y.tap + y * phase.y.tap_step) * pass.window.width + phase.x.tap + x * phase.x.tap_step;
        const MatrixView<const float>& matrix = weights.matrix;
        if (weights.backwards) {
          pack_rows(matrix.data + tap * target + first, matrix.row_stride, source, columns, to);
        } else {
          pack_columns(matrix.row(first) + tap * source, matrix.row_stride, source, columns, to);
        }
      }
    }
  }
}

/// Packs the weights of all phases, one behind the other.
inline void pack_phases(const convolution::Pass& pass, const PassWeights& weights, float* packed) {
  for (std::int32_t y = 0; y < pass.phases_along(); ++y) {
    for (std::int32_t x = 0; x < pass.phases_along(); ++x) {
      const convolution::Phase phase = pass.phase(y, x);
      pack_phase(pass, phase, weights, packed);
      packed += packed_size(std::int64_t{phase.y.taps} * phase.x.taps * pass.source.channels, pass.target.channels);
    }
  }
}

/// The sums of all target pixels of some rows: keep(row, column, count, sums) takes vectors of them, init(channel,
/// count) starts them.
template <class Init, class Keep>
void pass_rows(const convolution::Pass& pass, const MatrixView<const float>& images, const SomeRows& rows,
               std::int64_t begin, std::int64_t end, const float* packed, float* patches, const Init& init,
               const Keep& keep) {
  const std::int64_t channels = pass.target.channels;
  const auto count = [&](std::int64_t c) { return static_cast<int>(std::min<std::int64_t>(width, channels - c)); };
  std::array<PhasePixels::Place, PhasePixels::most_at_once> places;
  for (std::int32_t y = 0; y < pass.phases_along(); ++y) {
    for (std::int32_t x = 0; x < pass.phases_along(); ++x) {
      const convolution::Phase phase = pass.phase(y, x);
      const PhasePixels pixels(phase, pass.source, pass.target);
      const std::int64_t depth = pixels.depth(), at_once = PhasePixels::at_once(depth), last = end * pixels.per_image();
      for (std::int64_t first = begin * pixels.per_image(); first < last; first += at_once) {
        const std::int64_t some = std::min(at_once, last - first);
        pixels.gather(images, rows, first, some, patches, places);
        multiply(
            some, channels, depth, patches, PhasePixels::stride(depth), 1, packed,
            [&](std::int64_t, std::int64_t c) { return init(c, count(c)); },
            [&](std::int64_t r, std::int64_t c, Vec sum) {
              const PhasePixels::Place& place = places[static_cast<std::size_t>(r)];
              keep(place.row, place.pixel * channels + c, count(c), sum);
            });
      }
      packed += packed_size(depth, channels);
    }
  }
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
