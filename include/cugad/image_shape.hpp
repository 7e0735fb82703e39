#pragma once

#include <string>

#include "cugad/export.h"
#include "cugad/ops/types.hpp"

namespace cugad {

constexpr bool operator==(const ImageShape& a, const ImageShape& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

/// The number of columns of such a row.
constexpr std::int64_t cells_of(const ImageShape& shape) {
  return std::int64_t{shape.height} * shape.width * shape.channels;
}

/// "28x28x1".
CUGAD_API std::string image_shape_text(const ImageShape& shape);
/// Parses "28x28x1" or "28x28", which is grey: height, width and channels. Throws Error{invalid_argument} for any other
/// text, a size of 0, or more than 1,000,000 values in all.
CUGAD_API ImageShape image_shape_from(const std::string& text);

}  // namespace cugad
