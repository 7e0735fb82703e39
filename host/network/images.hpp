#pragma once

#include "cugad/image_shape.hpp"
#include "cugad/tensor.hpp"

/// Images that are rows of a matrix.
namespace cugad {

constexpr std::int64_t pixels_of(const ImageShape& image) { return std::int64_t{image.height} * image.width; }

/// The same memory with a row for each of the `pixels` of an image; images follow each other without gaps.
template <class T>
StackView<T> rows_of_pixels(StackView<T> images, std::int64_t pixels) {
  if (pixels == 1 || !images) return images;
  const std::int64_t channels = images.columns / pixels;
  return {images.data, images.models, images.rows * pixels, channels, images.model_stride, channels};
}

}  // namespace cugad
