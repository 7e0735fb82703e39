#pragma once

#include <cstdint>

namespace cugad {

/// An image as a row of at most 2^30 numbers: column (y * width + x) * channels + c is channel c of the pixel in line y
/// and column x (NHWC).
struct ImageShape {
  std::int32_t height = 1, width = 1, channels = 1;
  bool operator==(const ImageShape&) const = default;
};

/// The number of columns of such a row.
constexpr std::int64_t cells_of(const ImageShape& shape) {
  return std::int64_t{shape.height} * shape.width * shape.channels;
}

}  // namespace cugad
