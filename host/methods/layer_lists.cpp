#include "host/methods/layer_lists.hpp"

#include <algorithm>

#include "cugad/error.hpp"
#include "host/network/images.hpp"

namespace cugad {
namespace {

constexpr std::int64_t most_columns = 1 << 26;

[[noreturn]] void refuse(const char* option, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, std::string("option '") + option + "' " + what);
}

int windows_over(int pixels, int stride) { return (pixels + stride - 1) / stride; }

/// TensorFlow's SAME: half of what `windows` windows reach beyond `pixels` pixels, rounded down.
int padding(int pixels, int windows, const Layer& layer) {
  return std::max(0, (windows - 1) * layer.stride + layer.window - pixels) / 2;
}

LayerSpec convolution(const char* option, const Layer& layer, const ImageShape& from, const ImageShape& to) {
  const bool scatters = layer.kind == Layer::Kind::transposed;
  const ImageShape &large = scatters ? to : from, &small = scatters ? from : to;
  if (cells_of(to) > most_columns) {
    refuse(option, "makes images of " + std::to_string(to.height) + " x " + std::to_string(to.width) + " x " +
                       std::to_string(to.channels) + " values, expected at most 2^26");
  }
  LayerSpec spec;
  spec.out = static_cast<int>(cells_of(to));
  spec.convolves = true;
  spec.from = from;
  spec.to = to;
  spec.window = {.height = layer.window,
                 .width = layer.window,
                 .stride = layer.stride,
                 .pad_top = padding(large.height, small.height, layer),
                 .pad_left = padding(large.width, small.width, layer),
                 .transposed = scatters};
  return spec;
}

/// Adds a layer with what follows its sums; layer normalisation is a layer of its own.
void add_hidden(std::vector<LayerSpec>& layers, LayerSpec spec, const Layer& layer, const HiddenForm& form) {
  spec.batch_norm = layer.batch_norm;
  if (layer.layer_norm) {
    layers.push_back(spec);
    LayerSpec normalisation;
    normalisation.out = spec.out;
    normalisation.to = spec.to;
    normalisation.layer_norm = true;
    spec = normalisation;
  }
  spec.activation = form.activation;
  spec.slope = form.slope;
  spec.dropout = form.dropout;
  layers.push_back(spec);
}

bool convolves(const Layer& layer) { return layer.convolves(); }

}  // namespace

std::vector<LayerSpec> layers_on_rows(const char* option, const std::vector<Layer>& list,
                                      const std::optional<ImageShape>& image, const HiddenForm& form) {
  std::vector<LayerSpec> layers;
  std::optional<ImageShape> shape = image;
  for (const Layer& layer : list) {
    LayerSpec spec;
    spec.out = layer.out;
    if (layer.convolves()) {
      if (!image) refuse(option, "has a convolution, which takes images: set image (such as 28x28x1)");
      if (!shape) refuse(option, "has a convolution behind a dense layer, expected it before all dense ones");
      ImageShape to = *shape;
      to.channels = layer.out;
      for (std::int32_t* side : {&to.height, &to.width}) {
        *side = layer.kind == Layer::Kind::convolution ? windows_over(*side, layer.stride) : *side * layer.stride;
      }
      spec = convolution(option, layer, *shape, to);
      shape = to;
    } else {
      shape.reset();
    }
    add_hidden(layers, spec, layer, form);
  }
  return layers;
}

std::vector<LayerSpec> layers_to_rows(const char* option, const std::vector<Layer>& list,
                                      const std::optional<ImageShape>& image, int outputs, const HiddenForm& form,
                                      Activation last) {
  std::vector<LayerSpec> layers;
  const auto first = std::find_if(list.begin(), list.end(), convolves);
  for (auto layer = list.begin(); layer != first; ++layer) {
    LayerSpec dense;
    dense.out = layer->out;
    add_hidden(layers, dense, *layer, form);
  }
  LayerSpec output;
  output.out = outputs;
  if (first != list.end()) {
    if (!image) refuse(option, "has a convolution, which makes images: set image (such as 28x28x1)");
    if (!std::all_of(first, list.end(), convolves))
      refuse(option, "has a dense layer behind a convolution, expected all dense ones before");
    if (layers.empty()) refuse(option, "begins with a convolution, expected a dense layer that makes an image for it");
    // From the last image back to the first.
    std::vector<Layer> convolutions(first, list.end());
    convolutions.push_back(list.back());
    convolutions.back().out = image->channels;
    std::vector<LayerSpec> specs(convolutions.size());
    ImageShape to = *image;
    for (std::size_t l = convolutions.size(); l-- > 0;) {
      const Layer& layer = convolutions[l];
      if (layer.kind == Layer::Kind::convolution && layer.stride > 1)
        refuse(option, "makes images smaller by a convolution of stride " + std::to_string(layer.stride) +
                           ", expected stride 1, or up in conv's place");
      ImageShape from{windows_over(to.height, layer.stride), windows_over(to.width, layer.stride), 0};
      from.channels = static_cast<std::int32_t>(l > 0 ? convolutions[l - 1].out : layers.back().out / pixels_of(from));
      specs[l] = convolution(option, layer, from, to);
      to = from;
    }
    if (cells_of(to) != layers.back().out) {
      refuse(option, "has a dense layer of " + std::to_string(layers.back().out) + " units before its convolutions, " +
                         "expected a multiple of the " + std::to_string(to.height) + " x " + std::to_string(to.width) +
                         " pixels of their first image");
    }
    layers.back().to = to;
    for (std::size_t l = 0; l + 1 < specs.size(); ++l) add_hidden(layers, specs[l], convolutions[l], form);
    output = specs.back();
  }
  output.activation = last;
  layers.push_back(output);
  return layers;
}

}  // namespace cugad
