#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "cugad/image.hpp"

namespace cugad {
namespace {

/// A part of an axis of an image.
struct Section {
  std::int32_t begin, size;
};

/// The weights of source pixels in one target pixel.
struct Taps {
  std::int32_t first = 0;
  std::vector<float> weights;
};

/// The share of the unit interval at `pixel` that [begin, end) covers.
double overlap(double begin, double end, std::int32_t pixel) {
  return std::max(0.0, std::min(end, pixel + 1.0) - std::max<double>(begin, pixel));
}

/// Area averages if the section shrinks to `size`, else bilinear interpolation between pixel centres.
std::vector<Taps> taps_of(Section from, std::int32_t size) {
  std::vector<Taps> taps(static_cast<std::size_t>(size));
  const double step = double(from.size) / size;
  for (std::int32_t i = 0; i < size; ++i) {
    Taps& one = taps[static_cast<std::size_t>(i)];
    if (from.size > size) {
      const double begin = i * step, end = std::min<double>(from.size, (i + 1) * step);
      const auto first = static_cast<std::int32_t>(begin);
      one.first = from.begin + first;
      for (std::int32_t pixel = first; pixel < from.size && pixel < end; ++pixel) {
        one.weights.push_back(static_cast<float>(overlap(begin, end, pixel) / step));
      }
    } else {
      const double center = std::clamp((i + 0.5) * step - 0.5, 0.0, from.size - 1.0);
      const auto first = std::min(static_cast<std::int32_t>(center), std::max(0, from.size - 2));
      const auto share = static_cast<float>(center - first);
      one.first = from.begin + first;
      one.weights = {1.0f - share};
      if (share > 0.0f) one.weights.push_back(share);
    }
  }
  return taps;
}

/// The largest centred part of the image with the aspect ratio of `shape`: its rows and its columns.
std::pair<Section, Section> centre_crop(const ImageShape& image, const ImageShape& shape) {
  Section rows{0, image.height}, columns{0, image.width};
  const std::int64_t across = std::int64_t{image.width} * shape.height, down = std::int64_t{image.height} * shape.width;
  const auto rounded = [](std::int64_t product, std::int32_t divisor) {
    return static_cast<std::int32_t>(std::max<std::int64_t>(1, (product + divisor / 2) / divisor));
  };
  if (across > down) {
    columns.size = std::min(image.width, rounded(down, shape.height));
    columns.begin = (image.width - columns.size) / 2;
  } else if (across < down) {
    rows.size = std::min(image.height, rounded(across, shape.width));
    rows.begin = (image.height - rows.size) / 2;
  }
  return {rows, columns};
}

/// The value of a channel of the row at one pixel of the image.
float value_at(const std::uint8_t* pixel, std::int32_t channels_of_image, std::int32_t channel, bool wants_grey) {
  if (channels_of_image == 1) return *pixel;
  if (!wants_grey) return pixel[channel];
  return static_cast<float>((299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2]) / 1000.0);
}

}  // namespace

void image_to_row(const Image& image, const ImageShape& shape, std::span<float> row) {
  if ((shape.channels != 1 && shape.channels != 3) || static_cast<std::int64_t>(row.size()) != cells_of(shape)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a row of {} values for an image of {}, expected as many as that has, and 1 or 3 channels",
                            row.size(), image_shape_text(shape)));
  }
  const std::int32_t channels = image.shape.channels;
  const auto [row_section, column_section] = centre_crop(image.shape, shape);
  const std::vector<Taps> down = taps_of(row_section, shape.height), across = taps_of(column_section, shape.width);
  const std::int64_t line = std::int64_t{shape.width} * shape.channels;
  std::vector<float> narrowed(static_cast<std::size_t>(row_section.size * line));  // the cropped rows, resized across
  float* target = narrowed.data();
  for (std::int32_t y = 0; y < row_section.size; ++y) {
    const std::uint8_t* source =
        image.values.data() + std::int64_t{row_section.begin + y} * image.shape.width * channels;
    for (const Taps& taps : across) {
      for (std::int32_t c = 0; c < shape.channels; ++c) {
        const std::uint8_t* pixel = source + std::int64_t{taps.first} * channels;
        float sum = 0.0f;
        for (const float weight : taps.weights) {
          sum += weight * value_at(pixel, channels, c, shape.channels == 1);
          pixel += channels;
        }
        *target++ = sum;
      }
    }
  }
  std::fill(row.begin(), row.end(), 0.0f);
  for (std::int32_t y = 0; y < shape.height; ++y) {
    const Taps& taps = down[static_cast<std::size_t>(y)];
    float* to = row.data() + y * line;
    const float* from = narrowed.data() + (taps.first - row_section.begin) * line;
    for (const float weight : taps.weights) {
      for (std::int64_t i = 0; i < line; ++i) to[i] += weight * from[i];
      from += line;
    }
  }
}

}  // namespace cugad
