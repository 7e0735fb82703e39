#pragma once

#include <array>

#include "kernels/convolution/data_pass.hpp"

/// Passes to larger images of a few channels (the last layer of a generator, the gradient of a picture). A channel per
/// lane would leave most lanes idle: here neighbouring pixels of a phase lie across them. Lines of the source are
/// transposed to planes, one per channel, which all phases read at shifted places; the chains are those of pass_rows.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

constexpr std::int64_t most_narrow_channels = 4;
inline bool is_narrow(const convolution::Pass& pass) {
  return pass.scatters && pass.target.channels <= most_narrow_channels;
}

/// Lines of a phase whose sums a tile keeps in registers.
constexpr int narrow_lines(int channels) { return std::min(8, (vector_registers - 4) / channels); }

/// Planes of some lines of the source, wide enough for whole vectors at every shift, with zeros around the image.
struct Planes {
  std::int64_t left, above, pitch, lines, band;  ///< band: lines of a phase that are computed from them

  explicit Planes(const convolution::Pass& pass) {
    std::int64_t across = 0, down = 0, count = 0, shift = 0;  // the most of all phases
    for (std::int32_t i = 0; i < pass.phases_along(); ++i) {
      const convolution::Phase phase = pass.phase(i, i);
      across = std::max<std::int64_t>(across, phase.x.origin + rounded_up(phase.x.count, width));
      shift = std::max<std::int64_t>(shift, phase.y.origin);
      count = std::max<std::int64_t>(count, phase.y.count);
      down = std::max<std::int64_t>(down, phase.y.taps);
    }
    left = std::max(0, pass.phase(0, 0).x.taps - 1);
    above = std::max<std::int64_t>(0, down - 1);
    pitch = left + std::max(across, rounded_up(pass.source.width, 16));
    const std::int64_t lines_of_tile = narrow_lines(pass.target.channels);
    constexpr std::int64_t floats = 49152;  // stay in the second cache
    const std::int64_t fitting = floats / (pitch * pass.source.channels) - above - shift;
    band = std::clamp(fitting / lines_of_tile * lines_of_tile, lines_of_tile, rounded_up(count, lines_of_tile));
    lines = above + shift + band;
  }
  std::int64_t plane() const { return lines * pitch; }
  std::int64_t floats(const convolution::Pass& pass) const {
    return rounded_up(plane() * pass.source.channels + width, 16);
  }
  /// Of the target lines of a band.
  std::int64_t target_floats(const convolution::Pass& pass) const {
    return rounded_up(band * pass.window.stride * pass.target.width * pass.target.channels, 16);
  }

  /// The lines from `first` on, wherever the image has them.
  void load(const ImageShape& source, const float* image, std::int64_t first, float* planes) const {
    for (std::int64_t l = 0; l < lines; ++l) {
      const std::int64_t y = first + l;
      float* const to = planes + l * pitch + left;
      if (y < 0 || y >= source.height) {
        for (std::int64_t c = 0; c < source.channels; ++c) std::fill_n(to + c * plane(), source.width, 0.0f);
        continue;
      }
      const float* const line = image + y * source.width * source.channels;
      for (std::int64_t c = 0; c < source.channels; c += 16) {
        for (std::int64_t x = 0; x < source.width; x += 16) {
          const std::int64_t some = std::min<std::int64_t>(16, source.width - x);
          transpose_block(line + x * source.channels + c, source.channels, some,
                          std::min<std::int64_t>(16, source.channels - c), some, to + c * plane() + x, plane());
        }
      }
    }
  }
};

/// The memory of a thread.
inline std::int64_t narrow_pass_floats(const convolution::Pass& pass) {
  const Planes planes(pass);
  return planes.floats(pass) + planes.target_floats(pass);
}

/// As pack_weights, with the target's channels side by side.
inline void pack_narrow_weights(const convolution::Pass& pass, const PassWeights& weights, float* packed) {
  const std::int64_t source = pass.source.channels, target = pass.target.channels;
  for_phases(pass, packed, [&](const convolution::Phase& phase, float* to) {
    for (std::int64_t y = 0; y < phase.y.taps; ++y) {
      for (std::int64_t x = 0; x < phase.x.taps; ++x) {
        const std::int64_t tap =
            (phase.y.tap + y * phase.y.tap_step) * pass.window.width + phase.x.tap + x * phase.x.tap_step;
        for (std::int64_t s = 0; s < source; ++s) {
          for (std::int64_t t = 0; t < target; ++t) {
            *to++ =
                weights.backwards ? weights.matrix.row(s)[tap * target + t] : weights.matrix.row(t)[tap * source + s];
          }
        }
      }
    }
  });
}

/// The sums of a vector of neighbouring pixels in some lines of a phase; `at` is what their first taps read.
template <int channels, int lines>
[[gnu::noinline]] void multiply_planes(const convolution::Phase& phase, std::int64_t source_channels,
                                       const Planes& planes, const float* at, const float* weights, const float* start,
                                       Vec (&sums)[lines][channels]) {
  const std::int64_t plane = planes.plane(), pitch = planes.pitch;
  Vec sum[lines][channels];
#pragma GCC unroll 8
  for (int r = 0; r < lines; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < channels; ++t) sum[r][t] = set(start[t]);
  }
  for (std::int64_t y = 0; y < phase.y.taps; ++y) {
    for (std::int64_t x = 0; x < phase.x.taps; ++x) {
      const float* from = at - y * pitch - x;
      for (std::int64_t c = 0; c < source_channels; ++c, from += plane, weights += channels) {
#pragma GCC unroll 8
        for (int r = 0; r < lines; ++r) {
          const Vec pixels = load(from + r * pitch);
#pragma GCC unroll 4
          for (int t = 0; t < channels; ++t) sum[r][t] = fused(pixels, set(weights[t]), sum[r][t]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < lines; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < channels; ++t) sums[r][t] = sum[r][t];
  }
}

/// The lines of a band of one phase into those of the target, of which `target` has the first.
template <int channels>
void narrow_phase(const convolution::Pass& pass, const convolution::Phase& phase, const Planes& planes,
                  std::int64_t first_line, const float* from, const float* weights, const float* start, float* target) {
  constexpr int lines = narrow_lines(channels);
  const std::int64_t last = std::min<std::int64_t>(phase.y.count - first_line, planes.band);
  const std::int64_t apart = std::int64_t{phase.x.apart} * channels;
  for (std::int64_t line = 0; line < last; line += lines) {
    for (std::int64_t x = 0; x < phase.x.count; x += width) {
      Vec sums[lines][channels];
      multiply_planes<channels, lines>(
          phase, pass.source.channels, planes,
          from + (planes.above + phase.y.origin + line) * planes.pitch + planes.left + phase.x.origin + x, weights,
          start, sums);
      const std::int64_t count = std::min<std::int64_t>(width, phase.x.count - x);
      for (std::int64_t r = 0; r < std::min<std::int64_t>(lines, last - line); ++r) {
        float* const to =
            target + ((phase.y.first + (line + r) * phase.y.apart) * pass.target.width + phase.x.first) * channels +
            x * apart;
        for (int t = 0; t < channels; ++t) {
          alignas(64) float values[width];
          store(values, sums[r][t]);
          for (std::int64_t i = 0; i < count; ++i) to[i * apart + t] = values[i];
        }
      }
    }
  }
}

/// As pass_rows; the weights are those of pack_narrow_weights.
template <int channels, class Keep>
void narrow_pass_rows(const convolution::Pass& pass, const MatrixView<const float>& images, const SomeRows& rows,
                      std::int64_t begin, std::int64_t end, const float* packed, const float* start, float* memory,
                      const Keep& keep) {
  if constexpr (channels < most_narrow_channels) {
    if (channels < pass.target.channels) {
      return narrow_pass_rows<channels + 1>(pass, images, rows, begin, end, packed, start, memory, keep);
    }
  }
  const Planes planes(pass);
  float* const target = memory + planes.floats(pass);
  const std::int64_t columns = std::int64_t{pass.target.width} * channels;
  std::fill_n(memory, planes.floats(pass), 0.0f);
  for (std::int64_t i = begin; i < end; ++i) {
    for (std::int64_t line = 0; line * pass.window.stride < pass.target.height; line += planes.band) {
      planes.load(pass.source, images.row(rows[i]), line - planes.above, memory);
      for_phases(pass, packed, [&](const convolution::Phase& phase, const float* weights) {
        narrow_phase<channels>(pass, phase, planes, line, memory, weights, start, target);
      });
      const std::int64_t first = line * pass.window.stride;
      const std::int64_t some = std::min<std::int64_t>(planes.band * pass.window.stride, pass.target.height - first);
      for_vectors(some * columns,
                  [&](std::int64_t c, int n) { keep(rows[i], first * columns + c, n, load_some(target + c, n)); });
    }
  }
}

/// A pass of either kind: its memory, its weights and its rows.
inline std::int64_t pass_floats(const convolution::Pass& pass) {
  return is_narrow(pass) ? narrow_pass_floats(pass) : PassMemory(pass).floats();
}
inline void prepare_weights(const convolution::Pass& pass, const PassWeights& weights, float* packed) {
  if (is_narrow(pass)) {
    pack_narrow_weights(pass, weights, packed);
  } else {
    pack_weights(pass, weights, packed);
  }
}
template <class Keep>
void run_pass(const convolution::Pass& pass, const MatrixView<const float>& images, const SomeRows& rows,
              std::int64_t begin, std::int64_t end, const float* packed, const float* start, float* memory,
              const Keep& keep) {
  if (is_narrow(pass)) {
    narrow_pass_rows<1>(pass, images, rows, begin, end, packed, start, memory, keep);
  } else {
    pass_rows(pass, images, rows, begin, end, packed, start, memory, keep);
  }
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
