#pragma once

#include "host/cli/reproduce/protocol.hpp"

/// Baselines on the pixels of images, all of which have the same unit.
namespace cugad::cli {

/// Mean distance to the 5 nearest training images; its map is the mean difference from them.
Baseline pixel_neighbour_baseline();
/// Distance to the image that 32 principal components of the training images rebuild; its map is the difference.
Baseline principal_component_baseline();
/// Distance to the mean of the training images; its map is the difference.
Baseline mean_image_baseline();

}  // namespace cugad::cli
