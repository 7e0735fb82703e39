#include "cugad/image_shape.hpp"

#include <fmt/format.h>

#include <charconv>

#include "cugad/error.hpp"
#include "host/text/cell.hpp"
#include "host/text/list_text.hpp"

namespace cugad {
namespace {

/// As many columns as a table may have.
constexpr std::int64_t largest_row = 1'000'000;

}  // namespace

std::string image_shape_text(const ImageShape& shape) {
  return fmt::format("{}x{}x{}", shape.height, shape.width, shape.channels);
}

ImageShape image_shape_from(const std::string& text) {
  std::vector<std::int32_t> sizes;
  std::int64_t cells = 1;
  for (const std::string& part : split(text, 'x')) {
    std::int32_t size = 0;
    const auto result = std::from_chars(part.data(), part.data() + part.size(), size);
    const bool is_size = result.ec == std::errc() && result.ptr == part.data() + part.size() && size > 0;
    cells = is_size && cells <= largest_row ? cells * size : 0;
    sizes.push_back(size);
  }
  if (cells > 0 && cells <= largest_row && text.back() != 'x' && (sizes.size() == 2 || sizes.size() == 3)) {
    return {sizes[0], sizes[1], sizes.size() == 3 ? sizes[2] : 1};
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the shape of an image is its height, width and channels, as 28x28x1, of at most {} values, "
                          "not '{}'",
                          largest_row, one_line(text)));
}

}  // namespace cugad
