#pragma once

#include <cstdint>

namespace cugad {

/// The shape of an image that is a row: NHWC, so that a value's column is (y * width + x) * channels + c.
struct ImageShape {
  std::int32_t height = 1, width = 1, channels = 1;
  bool operator==(const ImageShape&) const = default;
};

/// The number of columns of such a row.
constexpr std::int64_t cells_of(const ImageShape& shape) {
  return std::int64_t{shape.height} * shape.width * shape.channels;
}

}  // namespace cugad
