#pragma once

#include "cugad/detector.hpp"

/// What options of detectors of images mean, and which go together.
namespace cugad {

/// Rejects what the options' one method does not support of images, convolutions and normalised layers.
void check_images(const DetectorOptions& options);

/// Chooses what has its default and depends on the image's size: convolutions as in DCGAN (Radford 2016), which halve
/// the image until it has less than 8 lines or columns, and the latent size.
void choose_image_layers(DetectorOptions& options);

}  // namespace cugad
