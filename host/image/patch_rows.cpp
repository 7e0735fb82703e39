#include "host/image/patch_rows.hpp"

#include <algorithm>
#include <cmath>

namespace cugad {

std::vector<std::string> for_patches(std::vector<std::string> of_images, const PatchGrids& grids) {
  if (grids.empty() || of_images.empty()) return of_images;
  std::vector<std::string> of_patches;
  for (std::size_t r = 0; r < grids.size(); ++r) {
    of_patches.insert(of_patches.end(), static_cast<std::size_t>(grids[r].count()), of_images[r]);
  }
  return of_patches;
}

std::vector<float> scores_of_images(std::vector<float> of_patches, const PatchGrids& grids) {
  if (grids.empty()) return of_patches;
  std::vector<float> scores;
  auto next = of_patches.begin();
  for (const PatchGrid& grid : grids) {
    const auto end = next + grid.count();
    scores.push_back(next == end ? std::nanf("") : *std::max_element(next, end));
    next = end;
  }
  return scores;
}

WholeImage whole_image(std::int64_t r, MatrixView<const float> rows, const std::vector<float>& residuals,
                       const ImageShape& shape, const PatchGrids& grids) {
  if (grids.empty()) {
    const float *row = rows.row(r), *residual = residuals.data() + r * rows.columns;
    const std::int64_t cells = cells_of(shape);  // conditions may follow
    return {shape, {row, row + cells}, {residual, residual + cells}};
  }
  std::int64_t first = 0;
  for (std::int64_t before = 0; before < r; ++before) first += grids[static_cast<std::size_t>(before)].count();
  const PatchGrid& grid = grids[static_cast<std::size_t>(r)];
  const std::int64_t count = grid.count(), columns = rows.columns;
  return {grid.image, stitch_patches({rows.row(first), count, columns, rows.row_stride}, grid),
          stitch_patches({residuals.data() + first * columns, count, columns}, grid)};
}

}  // namespace cugad
