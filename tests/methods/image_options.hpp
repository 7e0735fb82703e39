#pragma once

#include "cugad/detector.hpp"

namespace cugad::test {

/// Rows of six columns as images of two lines, through small convolutions with batch normalisation.
inline void take_images(DetectorOptions& options) {
  options.image = ImageShape{2, 3, 1};
  options.log1p = {"none"};
  options.scale = Scale::range;
  options.novelty = 0.0f;
  set_option(options, "generator_hidden", "18bn,up4k3s1bn");
  set_option(options, "encoder_hidden", "conv5k3s2bn");
  set_option(options, "discriminator_hidden", "conv5k3s2,8");
}

/// `options` for GANomaly on images, as the default for them is, in a few steps.
inline DetectorOptions of_images(DetectorOptions options) {
  options.method = Method::ganomaly;
  options.steps = 20;
  options.encoder_learning_rate = options.learning_rate;
  take_images(options);
  return options;
}

}  // namespace cugad::test
