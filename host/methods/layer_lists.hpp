#pragma once

#include <vector>

#include "cugad/detector.hpp"
#include "cugad/network.hpp"
#include "host/training/judged_image.hpp"

/// From lists of hidden layers to the layers of networks. Errors are Error{invalid_argument} and name the option.
namespace cugad {

/// What follows the sums of hidden layers.
struct HiddenForm {
  Activation activation = Activation::leaky_relu;
  float slope = 0.0f, dropout = 0.0f;
};

/// What rows hold: an image, if it is given, and behind it columns that belong to all its pixels (a condition), or a
/// second image of the same shape. A first layer that is a convolution joins them by channel.
struct RowForm {
  std::optional<ImageShape> image = {};
  int condition = 0;
  bool has_second_image = false;

  RowForm() = default;
  RowForm(const ImageShape& image_) : image(image_) {}
  RowForm(const std::optional<ImageShape>& image_) : image(image_) {}
};

/// Rows of judged columns, followed by conditions or by the source.
RowForm row_form(const DetectorOptions& options, int columns);

/// The layers of a list on rows, followed by `output` if it has any.
std::vector<LayerSpec> layers_on_rows(const char* option, const std::vector<Layer>& list, const RowForm& rows,
                                      const HiddenForm& form, std::optional<LayerSpec> output = {});

/// The layers of a discriminator whose output is a map: one logit for each patch (Isola 2016). The last layer is a
/// convolution of one channel and stride 1 with the window of the list's last one.
std::vector<LayerSpec> layers_to_map(const char* option, const std::vector<Layer>& list, const RowForm& rows,
                                     const HiddenForm& form);

/// The layers of a generator from an image to another of as many pixels (a U-Net, Ronneberger 2015). A transposed
/// convolution makes an image of the size of the one that joins it, the last layer one of `image`; it is as the list's
/// last one. Convolutions have leaky ReLU but for those before a transposed one, which as all transposed ones have ReLU
/// and dropout. `last`: what follows the sums of the last layer.
std::vector<LayerSpec> layers_between_images(const char* option, const std::vector<Layer>& list,
                                             const ImageShape& image, const HiddenForm& form, Activation last);

/// The layers of a generator of `outputs` columns, the last one included. With convolutions in the list its dense
/// layers come first and give an image, whose size follows backwards from the last image; the last layer is a
/// convolution as the list's last one. `last`: what follows its sums.
std::vector<LayerSpec> layers_to_rows(const char* option, const std::vector<Layer>& list,
                                      const std::optional<ImageShape>& image, int outputs, const HiddenForm& form,
                                      Activation last);

}  // namespace cugad
