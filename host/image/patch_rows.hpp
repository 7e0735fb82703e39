#pragma once

#include <span>
#include <string>
#include <vector>

#include "cugad/image.hpp"

/// Whole images of a chunk whose rows may be patches of them. `grids`: those of the chunk's images; empty if every row
/// is an image.
namespace cugad {

using PatchGrids = std::span<const PatchGrid>;

/// The text of each image for each of its patches.
std::vector<std::string> for_patches(std::vector<std::string> of_images, const PatchGrids& grids);
/// The score of an image is the largest of its patches; NaN for one without patches, which could not be read.
std::vector<float> scores_of_images(std::vector<float> of_patches, const PatchGrids& grids);

struct WholeImage {
  ImageShape shape;
  std::vector<float> values, residuals;  ///< means over the patches that overlap
};
/// Image `r` of a chunk whose rows have the shape `shape`. `residuals`: rows x columns.
WholeImage whole_image(std::int64_t r, MatrixView<const float> rows, const std::vector<float>& residuals,
                       const ImageShape& shape, const PatchGrids& grids);

}  // namespace cugad
