#pragma once

#include <cstdint>

#include "cugad/ops/images.hpp"
#include "kernels/elementary.hpp"

/// The places of pixels in AugmentImages, the same on every backend.
namespace cugad {

/// How one row is augmented.
struct Augmentation {
  std::int32_t down, right;
  bool is_mirrored;
};

CUGAD_INLINE std::int32_t random_shift(std::uint32_t word, std::int32_t shift) {
  return static_cast<std::int32_t>(std::uint64_t{word} * static_cast<std::uint32_t>(2 * shift + 1) >> 32) - shift;
}

CUGAD_INLINE Augmentation augmentation_of(const AugmentImages& args, std::uint32_t first, std::uint32_t second,
                                          std::uint32_t third) {
  return {random_shift(second, args.shift), random_shift(third, args.shift), args.flip && (first & 1u) != 0};
}

CUGAD_INLINE std::int32_t nearest_inside(std::int32_t position, std::int32_t size) {
  return position < 0 ? 0 : position < size ? position : size - 1;
}

/// The pixel of the source that pixel (y, x) gets.
CUGAD_INLINE std::int64_t source_pixel(const ImageShape& image, const Augmentation& how, std::int32_t y,
                                       std::int32_t x) {
  const std::int32_t line = nearest_inside(y - how.down, image.height);
  const std::int32_t column = nearest_inside(x - how.right, image.width);
  return std::int64_t{line} * image.width + (how.is_mirrored ? image.width - 1 - column : column);
}

}  // namespace cugad
