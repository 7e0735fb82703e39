#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "cugad/image.hpp"

namespace cugad {
namespace {

/// Small images are enlarged by a whole number, so that the longer side has about as many pixels.
constexpr std::int32_t shown_size = 256;

/// The color map "inferno" (Nathaniel Smith and Stefan van der Walt, CC0) as polynomials of degree 6, for red, green
/// and blue.
constexpr double inferno[3][7] = {{0.00022, 0.10651, 11.60249, -41.70400, 77.16294, -71.31943, 25.13113},
                                  {0.00165, 0.56396, -3.97285, 17.43640, -33.40236, 32.62606, -12.24267},
                                  {-0.01948, 3.93271, -15.94239, 44.35415, -81.80731, 73.20952, -23.07033}};

double inferno_at(double at, int channel) {
  double value = 0;
  for (int power = 6; power >= 0; --power) value = value * at + inferno[channel][power];
  return std::clamp(value, 0.0, 1.0);
}

void check_size(const char* what, std::size_t size, std::int64_t expected) {
  if (static_cast<std::int64_t>(size) == expected) return;
  throw Error(ErrorCode::invalid_argument, fmt::format("a heatmap: {} {}, expected {}", size, what, expected));
}

}  // namespace

std::vector<float> pixel_map(std::span<const float> residuals, const ImageShape& shape) {
  check_size("residuals", residuals.size(), cells_of(shape));
  std::vector<float> map;
  map.reserve(residuals.size() / static_cast<std::size_t>(shape.channels));
  for (std::size_t pixel = 0; pixel < residuals.size(); pixel += static_cast<std::size_t>(shape.channels)) {
    float sum = 0.0f;
    for (std::size_t c = 0; c < static_cast<std::size_t>(shape.channels); ++c) sum += residuals[pixel + c];
    map.push_back(sum);
  }
  return map;
}

Image heatmap(std::span<const float> row, const ImageShape& shape, std::span<const float> map, float most) {
  check_size("values", row.size(), cells_of(shape));
  check_size("pixels", map.size(), std::int64_t{shape.height} * shape.width);
  // Arrays hold images from 0 to 1 as well.
  const double scale = *std::max_element(row.begin(), row.end()) <= 1.0f ? 1.0 : 1.0 / 255.0;
  const std::int32_t times = std::max(1, shown_size / std::max(shape.height, shape.width));
  Image image{{shape.height * times, shape.width * times, 3}, {}};
  image.values.reserve(static_cast<std::size_t>(cells_of(image.shape)));
  for (std::int32_t y = 0; y < image.shape.height; ++y) {
    for (std::int32_t x = 0; x < image.shape.width; ++x) {
      const std::int64_t pixel = std::int64_t{y / times} * shape.width + x / times;
      const float* values = row.data() + pixel * shape.channels;
      double grey = 0;
      for (std::int32_t c = 0; c < shape.channels; ++c) grey += values[c] * scale / shape.channels;
      grey = std::clamp(grey, 0.0, 1.0);
      const double heat = most > 0 ? std::clamp(double{map[pixel]} / most, 0.0, 1.0) : 0.0;
      for (int c = 0; c < 3; ++c) {
        const double value = (1 - heat) * grey + heat * inferno_at(heat, c);
        image.values.push_back(static_cast<std::uint8_t>(std::lround(255 * value)));
      }
    }
  }
  return image;
}

}  // namespace cugad
