#pragma once

#include <array>

#include "kernels/convolution/geometry.hpp"
#include "kernels/cpu/matrix_multiply.hpp"

/// What the taps of target pixels read from a source image, side by side as rows of a matrix: for a few pixels at a
/// time, never for an image.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

inline void copy_floats(const float* from, std::int64_t count, float* to) {
  for_vectors(count, [&](std::int64_t i, int n) { store_some(to + i, load_some(from + i, n), n); });
}
inline void clear_floats(float* to, std::int64_t count) {
  for_vectors(count, [&](std::int64_t i, int n) { store_some(to + i, set(0.0f), n); });
}

/// Rows of matrices that take part in a pass: all from `first` on, or those of an index.
struct SomeRows {
  const std::int32_t* index = nullptr;
  std::int64_t count = 0;

  std::int64_t operator[](std::int64_t i) const { return index != nullptr ? index[i] : i; }
};

/// The pixels of one phase of some images, numbered image after image.
class PhasePixels {
 public:
  static constexpr std::int64_t most_at_once = 192;
  struct Place {
    std::int64_t row, pixel;  ///< of the target
  };

  /// Some of the taps: from tap_begin to tap_end, numbered along x first.
  PhasePixels(const convolution::Phase& phase, const ImageShape& source, const ImageShape& target,
              std::int64_t tap_begin, std::int64_t tap_end)
      : phase_(phase), source_(source), target_(target), tap_begin_(tap_begin), tap_end_(tap_end) {}
  PhasePixels(const convolution::Phase& phase, const ImageShape& source, const ImageShape& target)
      : PhasePixels(phase, source, target, 0, std::int64_t{phase.y.taps} * phase.x.taps) {}

  std::int64_t per_image() const { return std::int64_t{phase_.y.count} * phase_.x.count; }
  std::int64_t depth() const { return (tap_end_ - tap_begin_) * source_.channels; }
  /// Floats between the rows of patches: not a power of two, of whose multiples a cache holds few.
  static std::int64_t stride(std::int64_t depth) { return rounded_up(depth, 16) + 16; }
  /// Pixels whose patches stay in the cache while they are multiplied.
  static std::int64_t at_once(std::int64_t depth) {
    constexpr std::int64_t floats = 32768;
    return std::clamp(floats / stride(depth) / tile_rows * tile_rows, std::int64_t{tile_rows}, most_at_once);
  }
  static std::int64_t floats(std::int64_t depth) { return stride(depth) * at_once(depth); }

  /// The patches of the pixels [first, first + count), and their places.
  void gather(const MatrixView<const float>& images, const SomeRows& rows, std::int64_t first, std::int64_t count,
              float* patches, std::array<Place, most_at_once>& places) const {
    const std::int64_t across = phase_.x.count, in_image = first % per_image(), apart = stride(depth());
    std::int64_t image = first / per_image();
    auto y = static_cast<std::int32_t>(in_image / across), x = static_cast<std::int32_t>(in_image % across);
    for (std::int64_t at = 0; at < count; ++at, patches += apart) {
      const std::int64_t row = rows[image];
      gather_pixel(images.row(row), y, x, patches);
      places[static_cast<std::size_t>(at)] = {row, (phase_.y.first + std::int64_t{y} * phase_.y.apart) * target_.width +
                                                       phase_.x.first + std::int64_t{x} * phase_.x.apart};
      if (++x < across) continue;
      x = 0;
      if (++y < phase_.y.count) continue;
      y = 0;
      ++image;
    }
  }

 private:
  void gather_pixel(const float* image, std::int32_t y, std::int32_t x, float* patch) const {
    const std::int64_t taps = phase_.x.taps, channels = source_.channels;
    for (std::int64_t tap = tap_begin_; tap < tap_end_;) {
      const std::int64_t line = tap / taps, end = std::min(tap_end_, (line + 1) * taps);
      const std::int64_t from_y = phase_.y.origin + std::int64_t{y} * phase_.y.move + line * phase_.y.turn;
      const bool exists = from_y >= 0 && from_y < source_.height;
      gather_line(exists ? image + from_y * source_.width * channels : nullptr, x, tap - line * taps, end - line * taps,
                  patch);
      patch += (end - tap) * channels;
      tap = end;
    }
  }

  /// The taps [begin, end) of one line of the source; null: a line outside the image.
  void gather_line(const float* line, std::int32_t x, std::int64_t begin, std::int64_t end, float* patch) const {
    const std::int64_t channels = source_.channels, width_of_source = source_.width;
    const std::int64_t from_x = phase_.x.origin + std::int64_t{x} * phase_.x.move;
    if (line == nullptr) return clear_floats(patch, (end - begin) * channels);
    if (phase_.x.turn > 0) {  // neighbours in the patch are neighbours in the image
      const std::int64_t first = std::clamp(-from_x, begin, end);
      const std::int64_t last = std::clamp(width_of_source - from_x, first, end);
      if (first > begin) clear_floats(patch, (first - begin) * channels);
      copy_floats(line + (from_x + first) * channels, (last - first) * channels, patch + (first - begin) * channels);
      if (last < end) clear_floats(patch + (last - begin) * channels, (end - last) * channels);
      return;
    }
    for (std::int64_t tap = begin; tap < end; ++tap, patch += channels) {
      const std::int64_t at = from_x - tap;
      if (at >= 0 && at < width_of_source) {
        copy_floats(line + at * channels, channels, patch);
      } else {
        clear_floats(patch, channels);
      }
    }
  }

  convolution::Phase phase_;
  ImageShape source_, target_;
  std::int64_t tap_begin_, tap_end_;
};

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
