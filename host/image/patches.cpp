#include <fmt/format.h>

#include <algorithm>

#include "cugad/error.hpp"
#include "cugad/image.hpp"

namespace cugad {
namespace {

/// Where windows of `window` pixels begin along an axis of `size`.
std::vector<std::int32_t> beginnings(std::int32_t size, std::int32_t window, std::int32_t stride) {
  std::vector<std::int32_t> begin;
  for (std::int32_t at = 0; at + window < size; at += stride) begin.push_back(at);
  begin.push_back(size - window);
  return begin;
}

void check_sizes(std::int64_t values, MatrixView<const float> patches, const PatchGrid& grid) {
  if (values == cells_of(grid.image) && patches.rows == grid.count() && patches.columns == cells_of(grid.patch)) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} patches of {} values and an image of {}, expected {} of {} and {}", patches.rows,
                          patches.columns, values, grid.count(), cells_of(grid.patch), cells_of(grid.image)));
}

/// Calls `visit(patch, y, place, at)` for each line of each patch: the value of the image that its first one is.
template <class Visit>
void for_each_line(const PatchGrid& grid, const Visit& visit) {
  const std::int64_t channels = grid.image.channels, line = channels * grid.image.width;
  std::int64_t patch = 0;
  for (const std::int32_t top : grid.top) {
    for (const std::int32_t left : grid.left) {
      for (std::int32_t y = 0; y < grid.patch.height; ++y) visit(patch, y, (top + y) * line + left * channels);
      ++patch;
    }
  }
}

}  // namespace

PatchGrid patch_grid(const ImageShape& image, const ImageShape& patch, std::int32_t stride) {
  if (image.height < patch.height || image.width < patch.width || image.channels != patch.channels) {
    throw Error(ErrorCode::invalid_argument, fmt::format("is an image of {}, expected at least the {} of a patch",
                                                         image_shape_text(image), image_shape_text(patch)));
  }
  if (stride < 1 || stride > std::min(patch.height, patch.width)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("patches of {} are {} apart, expected 1 to {}", image_shape_text(patch), stride,
                            std::min(patch.height, patch.width)));
  }
  return {image, patch, beginnings(image.height, patch.height, stride), beginnings(image.width, patch.width, stride)};
}

void cut_patches(std::span<const float> image, const PatchGrid& grid, MatrixView<float> patches) {
  check_sizes(static_cast<std::int64_t>(image.size()), patches, grid);
  const std::int64_t line = std::int64_t{grid.patch.width} * grid.patch.channels;
  for_each_line(grid, [&](std::int64_t patch, std::int32_t y, std::int64_t at) {
    std::copy_n(image.data() + at, line, patches.row(patch) + y * line);
  });
}

std::vector<float> stitch_patches(MatrixView<const float> patches, const PatchGrid& grid) {
  std::vector<double> sum(static_cast<std::size_t>(cells_of(grid.image)));
  check_sizes(static_cast<std::int64_t>(sum.size()), patches, grid);
  std::vector<std::int32_t> count(sum.size());
  const std::int64_t line = std::int64_t{grid.patch.width} * grid.patch.channels;
  for_each_line(grid, [&](std::int64_t patch, std::int32_t y, std::int64_t at) {
    const float* from = patches.row(patch) + y * line;
    for (std::int64_t i = 0; i < line; ++i) {
      sum[static_cast<std::size_t>(at + i)] += from[i];
      ++count[static_cast<std::size_t>(at + i)];
    }
  });
  std::vector<float> image;
  image.reserve(sum.size());
  for (std::size_t i = 0; i < sum.size(); ++i) image.push_back(static_cast<float>(sum[i] / count[i]));
  return image;
}

}  // namespace cugad
