#pragma once

#include <array>

#include "kernels/convolution/geometry.hpp"
#include "kernels/cpu/matrix_multiply.hpp"

/// What the taps of target pixels read from a source image, side by side as rows of a matrix: for a few pixels at a
/// time, never for an image.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// Copies `runs` runs of `length` floats; without a source they become 0.
inline void copy_runs(const float* from, std::int64_t from_step, std::int64_t runs, std::int64_t length, float* to,
                      std::int64_t to_step) {
  if (from == nullptr) {
    for (std::int64_t r = 0; r < runs; ++r, to += to_step) {
      for_vectors(length, [&](std::int64_t i, int n) { store_some(to + i, set(0.0f), n); });
    }
  } else if (length <= width) {
    const int n = static_cast<int>(length);
    for (std::int64_t r = 0; r < runs; ++r, to += to_step, from += from_step)
      store_partial(to, load_partial(from, n), n);
  } else {
    for (std::int64_t r = 0; r < runs; ++r, to += to_step, from += from_step) {
      for_vectors(length, [&](std::int64_t i, int n) { store_some(to + i, load_some(from + i, n), n); });
    }
  }
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
  /// Pixels whose patches take `floats` together, in whole tiles of the product.
  static std::int64_t at_once(std::int64_t depth, std::int64_t floats) {
    return std::clamp(floats / stride(depth) / tile_rows * tile_rows, std::int64_t{tile_rows}, most_at_once);
  }
  /// What they take at most, up to that depth.
  static std::int64_t floats_at_once(std::int64_t depth, std::int64_t floats) {
    return std::max(floats, tile_rows * stride(depth));
  }

  /// The patches of the pixels [first, first + count), and their places.
  void gather(const MatrixView<const float>& images, const SomeRows& rows, std::int64_t first, std::int64_t count,
              float* patches, std::array<Place, most_at_once>& places) const {
    const std::int64_t across = phase_.x.count, apart = stride(depth());
    for (std::int64_t at = 0, some = 0; at < count; at += some) {  // pixels side by side in an image
      const std::int64_t in_image = (first + at) % per_image(), y = in_image / across, x = in_image % across;
      const std::int64_t row = rows[(first + at) / per_image()];
      some = std::min(across - x, count - at);
      gather_pixels(images.row(row), y, x, some, patches + at * apart);
      const std::int64_t line = (phase_.y.first + y * phase_.y.apart) * target_.width;
      for (std::int64_t i = 0; i < some; ++i) {
        places[static_cast<std::size_t>(at + i)] = {row, line + phase_.x.first + (x + i) * phase_.x.apart};
      }
    }
  }

 private:
  /// Pixels side by side: line by line of the source that their taps read.
  void gather_pixels(const float* image, std::int64_t y, std::int64_t x, std::int64_t count, float* patches) const {
    const std::int64_t taps = phase_.x.taps, channels = source_.channels;
    for (std::int64_t tap = tap_begin_; tap < tap_end_;) {
      const std::int64_t line = tap / taps, end = std::min(tap_end_, (line + 1) * taps);
      const std::int64_t from_y = phase_.y.origin + y * phase_.y.move + line * phase_.y.turn;
      const bool exists = from_y >= 0 && from_y < source_.height;
      const float* const from = exists ? image + from_y * source_.width * channels : nullptr;
      if (phase_.x.turn > 0) {
        gather_taps(from, x, count, tap - line * taps, end - line * taps, patches);
        patches += (end - tap) * channels;
      } else {  // neighbours in a patch lie in the other order in the image
        for (std::int64_t t = tap - line * taps; t < end - line * taps; ++t, patches += channels) {
          gather_taps(from, x, count, t, t + 1, patches);
        }
      }
      tap = end;
    }
  }

  /// The taps [begin, end) that pixels side by side have in a line of the source (null: outside the image), which are
  /// neighbours in it; some of them may lie outside.
  void gather_taps(const float* line, std::int64_t x, std::int64_t count, std::int64_t begin, std::int64_t end,
                   float* patches) const {
    const std::int64_t channels = source_.channels, apart = stride(depth()), move = phase_.x.move;
    const std::int64_t length = (end - begin) * channels;
    if (line == nullptr) return copy_runs(nullptr, 0, count, length, patches, apart);
    // Where the first tap of pixel i lies: start + i * move.
    const std::int64_t start = phase_.x.origin + x * move + begin * phase_.x.turn, room = source_.width - (end - begin);
    const std::int64_t inside = std::min(count, start >= 0 ? 0 : (-start + move - 1) / move);
    const std::int64_t outside = std::clamp(room < start ? 0 : (room - start) / move + 1, inside, count);
    copy_runs(line + (start + inside * move) * channels, move * channels, outside - inside, length,
              patches + inside * apart, apart);
    const auto at_border = [&](std::int64_t i) {
      const std::int64_t at = start + i * move, left = std::clamp(-at, std::int64_t{0}, end - begin),
                         right = std::clamp(source_.width - at, left, end - begin);
      float* const patch = patches + i * apart;
      copy_runs(nullptr, 0, 1, left * channels, patch, 0);
      copy_runs(line + (at + left) * channels, 0, 1, (right - left) * channels, patch + left * channels, 0);
      copy_runs(nullptr, 0, 1, (end - begin - right) * channels, patch + right * channels, 0);
    };
    for (std::int64_t i = 0; i < inside; ++i) at_border(i);
    for (std::int64_t i = outside; i < count; ++i) at_border(i);
  }

  convolution::Phase phase_;
  ImageShape source_, target_;
  std::int64_t tap_begin_, tap_end_;
};

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
