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

/// The memory of a thread: the patches of a few pixels and their sums, which stay near the core.
struct PassMemory {
  std::int64_t patches, sums;

  static constexpr std::int64_t floats_of_patches = 16384;
  explicit PassMemory(const convolution::Pass& pass) {
    const convolution::Phase phase = pass.phase(0, 0);  // the one with the most taps
    const std::int64_t depth = std::int64_t{phase.y.taps} * phase.x.taps * pass.source.channels;
    patches = PhasePixels::floats_at_once(depth, floats_of_patches);
    sums = rounded_up(pass.target.channels, 16) * PhasePixels::most_at_once;
  }
  std::int64_t floats() const { return patches + sums; }
};

/// Packs the weights of a phase, k = (tap, channel of the source).
inline void pack_phase(const convolution::Pass& pass, const convolution::Phase& phase, const PassWeights& weights,
                       float* packed) {
  const std::int64_t source = pass.source.channels, target = pass.target.channels;
  const std::int64_t taps = std::int64_t{phase.y.taps} * phase.x.taps;
  const MatrixView<const float>& matrix = weights.matrix;
  for (std::int64_t first = 0; first < target; first += panel_width) {
    const std::int64_t columns = std::min<std::int64_t>(panel_width, target - first);
    float* to = packed + first * taps * source;
    for (std::int64_t t = 0; t < taps; ++t, to += source * rounded_up(columns, width)) {
      const std::int64_t y = phase.y.tap + t / phase.x.taps * phase.y.tap_step,
                         x = phase.x.tap + t % phase.x.taps * phase.x.tap_step, tap = y * pass.window.width + x;
      if (weights.backwards) {
        pack_rows(matrix.data + tap * target + first, matrix.row_stride, source, columns, to);
      } else {
        pack_columns(matrix.row(first) + tap * source, matrix.row_stride, source, columns, to);
      }
    }
  }
}

/// Calls body(phase, its packed weights) for all phases.
template <class Float, class Body>
void for_phases(const convolution::Pass& pass, Float* packed, const Body& body) {
  for (std::int32_t y = 0; y < pass.phases_along(); ++y) {
    for (std::int32_t x = 0; x < pass.phases_along(); ++x) {
      const convolution::Phase phase = pass.phase(y, x);
      body(phase, packed);
      packed += packed_size(std::int64_t{phase.y.taps} * phase.x.taps * pass.source.channels, pass.target.channels);
    }
  }
}

inline void pack_weights(const convolution::Pass& pass, const PassWeights& weights, float* packed) {
  for_phases(pass, packed, [&](const convolution::Phase& phase, float* to) { pack_phase(pass, phase, weights, to); });
}

/// Sums of patches times packed weights, from `start` on. Not inlined: the product needs all registers.
[[gnu::noinline]] inline void multiply_patches(std::int64_t count, std::int64_t channels, std::int64_t depth,
                                               const float* patches, const float* packed, const float* start,
                                               float* sums) {
  const std::int64_t apart = rounded_up(channels, width);
  multiply(
      count, channels, depth, patches, PhasePixels::stride(depth), 1, packed,
      [&](std::int64_t, std::int64_t c) { return load(start + c); },
      [&](std::int64_t r, std::int64_t c, Vec sum) { store(sums + r * apart + c, sum); });
}

/// The sums of all target pixels of some rows, from `start` (rounded up to whole vectors) on: keep(row, column, count,
/// sums) takes vectors of them.
template <class Keep>
void pass_rows(const convolution::Pass& pass, const MatrixView<const float>& images, const SomeRows& rows,
               std::int64_t begin, std::int64_t end, const float* packed, const float* start, float* memory,
               const Keep& keep) {
  const std::int64_t channels = pass.target.channels, apart = rounded_up(channels, width);
  float* const sums = memory + PassMemory(pass).patches;
  std::array<PhasePixels::Place, PhasePixels::most_at_once> places;
  for_phases(pass, packed, [&](const convolution::Phase& phase, const float* weights) {
    const PhasePixels pixels(phase, pass.source, pass.target);
    const std::int64_t at_once = PhasePixels::at_once(pixels.depth(), PassMemory::floats_of_patches);
    for (std::int64_t first = begin * pixels.per_image(), last = end * pixels.per_image(); first < last;
         first += at_once) {
      const std::int64_t some = std::min(at_once, last - first);
      pixels.gather(images, rows, first, some, memory, places);
      multiply_patches(some, channels, pixels.depth(), memory, weights, start, sums);
      for (std::int64_t r = 0; r < some; ++r) {
        const PhasePixels::Place& place = places[static_cast<std::size_t>(r)];
        for_vectors(channels, [&](std::int64_t c, int n) {
          keep(place.row, place.pixel * channels + c, n, load(sums + r * apart + c));
        });
      }
    }
  });
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
