#pragma once

#include <vector>

#include "cugad/detector.hpp"
#include "cugad/network.hpp"

/// From lists of hidden layers to the layers of networks. Errors are Error{invalid_argument} and name the option.
namespace cugad {

/// What follows the sums of hidden layers.
struct HiddenForm {
  Activation activation = Activation::leaky_relu;
  float slope = 0.0f, dropout = 0.0f;
};

/// The layers of a list on rows, which are images if `image` is given.
std::vector<LayerSpec> layers_on_rows(const char* option, const std::vector<Layer>& list,
                                      const std::optional<ImageShape>& image, const HiddenForm& form);

/// The layers of a generator of `outputs` columns, the last one included. With convolutions in the list its dense
/// layers come first and give an image, whose size follows backwards from the last image; the last layer is a
/// convolution as the list's last one. `last`: what follows its sums.
std::vector<LayerSpec> layers_to_rows(const char* option, const std::vector<Layer>& list,
                                      const std::optional<ImageShape>& image, int outputs, const HiddenForm& form,
                                      Activation last);

}  // namespace cugad
