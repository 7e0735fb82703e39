#pragma once

#include "cugad/ops/types.hpp"

namespace cugad {

constexpr bool operator==(const ImageShape& a, const ImageShape& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

/// The number of columns of such a row.
constexpr std::int64_t cells_of(const ImageShape& shape) {
  return std::int64_t{shape.height} * shape.width * shape.channels;
}

}  // namespace cugad
