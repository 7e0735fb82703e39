#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "cugad/image.hpp"

namespace cugad {
namespace {

void check_length(const char* what, std::size_t found, std::int64_t expected) {
  if (static_cast<std::int64_t>(found) == expected) return;
  throw Error(ErrorCode::invalid_argument, fmt::format("{} has {} values, expected {}", what, found, expected));
}

/// Calls work(place in the row, place in the half, count) for each line.
template <class Work>
void for_each_line(const ImageShape& shape, bool right, std::size_t row, std::size_t half, Work&& work) {
  if (shape.width % 2 != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("half of an image of {}: expected an even width", image_shape_text(shape)));
  }
  check_length("a row of images", row, cells_of(shape));
  check_length("half a row of images", half, cells_of(shape) / 2);
  const std::int64_t count = std::int64_t{shape.width} / 2 * shape.channels;
  for (std::int64_t y = 0; y < shape.height; ++y) work(2 * y * count + (right ? count : 0), y * count, count);
}

}  // namespace

Image image_of_row(std::span<const float> row, const ImageShape& shape, float white) {
  check_length("a row", row.size(), cells_of(shape));
  Image image{shape, {}};
  image.values.reserve(row.size());
  for (const float value : row) {
    const float scaled = std::isnan(value) ? 0.0f : std::clamp(value / white, 0.0f, 1.0f) * 255.0f;
    image.values.push_back(static_cast<std::uint8_t>(std::lround(scaled)));
  }
  return image;
}

void take_half(std::span<const float> row, const ImageShape& shape, bool right, std::span<float> half) {
  for_each_line(shape, right, row.size(), half.size(), [&](std::int64_t whole, std::int64_t part, std::int64_t count) {
    std::copy_n(row.begin() + whole, count, half.begin() + part);
  });
}

void put_half(std::span<const float> half, const ImageShape& shape, bool right, std::span<float> row) {
  for_each_line(shape, right, row.size(), half.size(), [&](std::int64_t whole, std::int64_t part, std::int64_t count) {
    std::copy_n(half.begin() + part, count, row.begin() + whole);
  });
}

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
