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

std::string size_text(const ImageShape& image) {
  return std::to_string(image.height) + " x " + std::to_string(image.width);
}

/// The layers behind those that others join read both.
void set_skips(const char* option, const std::vector<Layer>& list, std::vector<LayerSpec>& specs) {
  // A layer with ln is two of the network's.
  std::vector<std::size_t> place;
  for (const Layer& layer : list) {
    const std::size_t before = place.empty() ? 0 : place.back() + 1;
    place.push_back(before + (layer.layer_norm ? 1 : 0));
  }
  for (std::size_t l = 0; l < list.size(); ++l) {
    const auto joined = static_cast<std::size_t>(list[l].joined);
    if (joined == 0) continue;
    const std::string text = "joins layer " + std::to_string(l + 1) + " with layer " + std::to_string(joined);
    if (joined > l) refuse(option, text + ", expected an earlier one");
    if (!list[l].convolves() || !list[joined - 1].convolves()) refuse(option, text + ", expected convolutions");
    if (place[l] + 1 == specs.size()) refuse(option, text + ", but a branch ends there, expected a layer behind it");
    const LayerSpec &own = specs[place[l]], &other = specs[place[joined - 1]];
    if (own.to.height != other.to.height || own.to.width != other.to.width) {
      refuse(option,
             text + ", of " + size_text(own.to) + " and " + size_text(other.to) + " pixels, expected equally many");
    }
    LayerSpec& reader = specs[place[l] + 1];
    reader.beside = static_cast<int>(place[joined - 1]);
    reader.rectifies = own.activation == Activation::relu && other.activation != Activation::relu;
    if (reader.convolves) reader.from.channels += other.to.channels;
  }
}

}  // namespace

RowForm row_form(const DetectorOptions& options, int columns) {
  RowForm rows{judged_image(options)};
  rows.has_second_image = rows.image && !options.target.empty();
  if (rows.image && !rows.has_second_image) rows.condition = columns - static_cast<int>(cells_of(*rows.image));
  return rows;
}

std::vector<LayerSpec> layers_on_rows(const char* option, const std::vector<Layer>& list, const RowForm& rows,
                                      const HiddenForm& form, std::optional<LayerSpec> output) {
  std::vector<LayerSpec> layers;
  std::optional<ImageShape> shape = rows.image;
  int beside_columns = 0;
  if (shape && !list.empty() && list.front().convolves()) {
    beside_columns = rows.has_second_image ? static_cast<int>(cells_of(*shape)) : rows.condition;
    shape->channels += rows.has_second_image ? shape->channels : rows.condition;
  }
  for (const Layer& layer : list) {
    LayerSpec spec;
    spec.out = layer.out;
    if (layer.convolves()) {
      if (!rows.image) refuse(option, "has a convolution, which takes images: set image (such as 28x28x1)");
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
  if (output) layers.push_back(*output);
  if (!layers.empty()) layers.front().beside_columns = beside_columns;
  set_skips(option, list, layers);
  return layers;
}

std::vector<LayerSpec> layers_to_map(const char* option, const std::vector<Layer>& list, const RowForm& rows,
                                     const HiddenForm& form) {
  if (list.empty() || !list.back().convolves())
    refuse(option, "has no convolution last, expected convolutions alone: its output is a map");
  std::vector<LayerSpec> layers = layers_on_rows(option, list, rows, form, LayerSpec());
  Layer last = list.back();
  last.kind = Layer::Kind::convolution;
  last.stride = 1;
  ImageShape from = layers[layers.size() - 2].to, to = from;
  to.channels = 1;
  from.channels += list.back().joined > 0 ? layers[layers.back().beside].to.channels : 0;
  const LayerSpec joining = layers.back();
  layers.back() = convolution(option, last, from, to);
  layers.back().beside = joining.beside;
  layers.back().rectifies = joining.rectifies;
  return layers;
}

std::vector<LayerSpec> layers_between_images(const char* option, const std::vector<Layer>& list,
                                             const ImageShape& image, const HiddenForm& form, Activation last) {
  if (list.empty() || !std::all_of(list.begin(), list.end(), convolves))
    refuse(option, "has a dense layer, expected convolutions alone from the source image to the target");
  std::vector<Layer> all = list;
  all.push_back(list.back());
  all.back().out = image.channels;
  all.back().joined = 0;
  std::vector<LayerSpec> layers;
  std::vector<ImageShape> made;  // by the layers of the list
  ImageShape shape = image;
  for (std::size_t l = 0; l < all.size(); ++l) {
    const Layer& layer = all[l];
    const bool is_output = l + 1 == all.size(), is_up = layer.kind == Layer::Kind::transposed;
    const auto joined = static_cast<std::size_t>(layer.joined);
    ImageShape to{windows_over(shape.height, layer.stride), windows_over(shape.width, layer.stride), layer.out};
    if (is_up) {
      to.height = shape.height * layer.stride;
      to.width = shape.width * layer.stride;
    }
    if (is_output || (is_up && joined > 0 && joined <= l)) {
      const ImageShape& wanted = is_output ? image : made[joined - 1];
      const ImageShape &small = is_up ? shape : wanted, &large = is_up ? wanted : shape;
      if (windows_over(large.height, layer.stride) != small.height ||
          windows_over(large.width, layer.stride) != small.width) {
        refuse(option, "makes an image of " + size_text(to) + " pixels in layer " + std::to_string(l + 1) +
                           ", expected one of " + size_text(wanted));
      }
      to.height = wanted.height;
      to.width = wanted.width;
    }
    LayerSpec spec = convolution(option, layer, shape, to);
    made.push_back(to);
    if (is_output) {
      spec.activation = last;
      layers.push_back(spec);
    } else {
      HiddenForm own = form;
      own.activation = is_up || all[l + 1].kind == Layer::Kind::transposed ? Activation::relu : Activation::leaky_relu;
      if (!is_up) own.dropout = 0.0f;
      add_hidden(layers, spec, layer, own);
    }
    shape = to;
  }
  set_skips(option, list, layers);
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
  set_skips(option, list, layers);
  return layers;
}

}  // namespace cugad
