#include <fmt/format.h>

#include "cugad/image.hpp"

namespace cugad {
std::vector<std::string> image_column_names(const ImageShape& shape) {
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(cells_of(shape)));
  for (std::int32_t y = 0; y < shape.height; ++y) {
    for (std::int32_t x = 0; x < shape.width; ++x) {
      for (std::int32_t c = 0; c < shape.channels; ++c) {
        names.push_back(shape.channels == 1 ? fmt::format("y{}x{}", y, x) : fmt::format("y{}x{}c{}", y, x, c));
      }
    }
  }
  return names;
}

}  // namespace cugad
