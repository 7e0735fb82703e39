#include <algorithm>
#include <cmath>
#include <utility>

#include "cugad/error.hpp"
#include "cugad/network.hpp"
#include "host/backend/elementwise.hpp"
#include "host/network/images.hpp"
#include "host/network/layer_pass.hpp"

namespace cugad {
namespace {

/// Lanes of initial_weights: behind the first layers lie those of techniques (host/network/part.cpp).
constexpr int first_layers = 8, further_lane = 50;

/// The layers without techniques.
LayerPass plain_pass(Context& context, const Mlp& mlp, StackView<const float> flat, StackView<const float> x,
                     const Mlp::Buffers& buffers) {
  static const PartTechniques techniques;
  static const PartMemory memory;
  return {context, mlp, techniques, 0, flat, x, buffers, memory};
}

/// Rounded up, so that what follows starts on a cache line.
std::int64_t whole_lines(std::int64_t floats) { return (floats + 15) / 16 * 16; }

/// Rows start on cache lines, but images follow each other: their pixels are rows, too.
std::int64_t row_stride(const LayerSpec& layer) { return pixels_of(layer.to) > 1 ? layer.out : whole_lines(layer.out); }

/// A second input has the pixels of the first.
void check_join(int l, const std::vector<LayerSpec>& layers) {
  const LayerSpec& layer = layers[l];
  const bool is_known =
      layer.beside < std::max(0, l - 1) && (l == 0 || layer.beside_columns == 0) && layer.beside_columns >= 0;
  if (is_known && (layer.beside < 0 || pixels_of(layers[layer.beside].to) == pixels_of(layers[l - 1].to))) return;
  throw Error(ErrorCode::invalid_argument, "layer " + std::to_string(l) + " joins its input with that of layer " +
                                               std::to_string(layer.beside) +
                                               ", expected an earlier layer but the last, of as many pixels");
}

void check_images(int l, const LayerSpec& layer, int inputs) {
  const bool divides = layer.out % std::max<std::int64_t>(1, pixels_of(layer.to)) == 0;
  const bool fits = layer.convolves    ? cells_of(layer.from) == inputs && cells_of(layer.to) == layer.out
                    : layer.layer_norm ? l > 0 && layer.out == inputs && divides
                                       : divides;
  if (fits) return;
  throw Error(ErrorCode::invalid_argument, "layer " + std::to_string(l) + " has " + std::to_string(inputs) +
                                               " inputs and " + std::to_string(layer.out) +
                                               " outputs, expected those of its images" +
                                               (layer.layer_norm ? ", behind another layer" : ""));
}

}  // namespace

Mlp::Mlp(int in, std::vector<LayerSpec> layers) : in_(in), layers_(std::move(layers)) {
  for (int l = 0; l < this->layers(); ++l) {
    check_join(l, layers_);
    check_images(l, layers_[l], layer_inputs(l));
    if (layers_[l].out < 1 || layer_inputs(l) < 1) {
      throw Error(ErrorCode::invalid_argument, "layer " + std::to_string(l) + " has " +
                                                   std::to_string(layer_inputs(l)) + " inputs and " +
                                                   std::to_string(layers_[l].out) + " outputs, expected at least 1");
    }
    offset_.push_back(parameters_);
    parameters_ += static_cast<std::int64_t>(units(l)) * (std::int64_t{fan_in(l)} + 1);
  }
}

int Mlp::layer_inputs(int l) const {
  const LayerSpec& layer = layers_[l];
  if (l == 0) return layer.beside_columns > 0 && layer.convolves ? static_cast<int>(cells_of(layer.from)) : in_;
  return layers_[l - 1].out + (layer.beside >= 0 ? layers_[layer.beside].out : 0);
}

int Mlp::units(int l) const {
  const LayerSpec& layer = layers_[l];
  if (layer.layer_norm) return static_cast<int>(layer.out / pixels_of(layer.to));
  return layer.convolves ? layer.to.channels : layer.out;
}

int Mlp::fan_in(int l) const {
  const LayerSpec& layer = layers_[l];
  if (layer.layer_norm) return 1;
  return layer.convolves ? layer.window.height * layer.window.width * layer.from.channels : layer_inputs(l);
}

std::vector<std::int64_t> Mlp::weight_shape(int l) const {
  const LayerSpec& layer = layers_[l];
  if (!layer.convolves) return {units(l), fan_in(l)};
  return {layer.to.channels, layer.window.height, layer.window.width, layer.from.channels};
}

bool Mlp::is_dense() const {
  return std::none_of(layers_.begin(), layers_.end(),
                      [](const LayerSpec& layer) { return layer.convolves || layer.layer_norm; });
}

int Mlp::place(int l) const {
  const auto normalisations =
      std::count_if(layers_.begin(), layers_.begin() + l + 1, [](const LayerSpec& layer) { return layer.layer_norm; });
  return l - static_cast<int>(normalisations);
}

bool Mlp::has_skips() const {
  return std::any_of(layers_.begin(), layers_.end(), [](const LayerSpec& layer) { return layer.beside >= 0; });
}

namespace {

template <class Slice>
Mlp::Buffers sliced(const Mlp::Buffers& all, Slice&& slice) {
  Mlp::Buffers some;
  for (const auto list :
       {&Mlp::Buffers::output, &Mlp::Buffers::gradient, &Mlp::Buffers::joined, &Mlp::Buffers::joined_gradient}) {
    for (const StackView<float>& view : all.*list) (some.*list).push_back(view ? slice(view) : view);
  }
  return some;
}

}  // namespace

Mlp::Buffers Mlp::Buffers::slice_rows(std::int64_t first, std::int64_t count) const {
  return sliced(*this, [&](const StackView<float>& view) { return view.slice_rows(first, count); });
}

Mlp::Buffers Mlp::Buffers::slice_models(std::int64_t first, std::int64_t count) const {
  return sliced(*this, [&](const StackView<float>& view) { return view.slice_models(first, count); });
}

StackView<float> Mlp::weight(int l, StackView<float> flat) const {
  return {flat.data + offset_[l], flat.models, units(l), fan_in(l), flat.model_stride, fan_in(l)};
}
StackView<const float> Mlp::weight(int l, StackView<const float> flat) const {
  return {flat.data + offset_[l], flat.models, units(l), fan_in(l), flat.model_stride, fan_in(l)};
}
StackView<float> Mlp::bias(int l, StackView<float> flat) const {
  return {flat.data + bias_offset(l), flat.models, 1, units(l), flat.model_stride, units(l)};
}
StackView<const float> Mlp::bias(int l, StackView<const float> flat) const {
  return {flat.data + bias_offset(l), flat.models, 1, units(l), flat.model_stride, units(l)};
}

NetworkView Mlp::view(StackView<const float> flat) const {
  if (layers() > NetworkView::max_layers) {
    throw Error(ErrorCode::unsupported, "the latent search takes networks of up to " +
                                            std::to_string(NetworkView::max_layers) + " layers, this one has " +
                                            std::to_string(layers()));
  }
  if (!is_dense() || has_skips())
    throw Error(ErrorCode::unsupported,
                "the latent search takes dense layers in a row, no convolutions, normalisations and skips");
  NetworkView view;
  view.layers = layers();
  for (int l = 0; l < layers(); ++l) {
    view.layer[l] = {flat.data + weight_offset(l),
                     flat.data + bias_offset(l),
                     flat.model_stride,
                     layer_inputs(l),
                     layers_[l].out,
                     layers_[l].activation,
                     layers_[l].slope};
  }
  return view;
}

std::int64_t Mlp::buffer_floats(std::int64_t models, std::int64_t rows) const {
  std::int64_t floats = 0;
  for (int l = 0; l < layers(); ++l) {
    floats += whole_lines(models * rows * row_stride(layers_[l]));
    if (joins(l)) floats += whole_lines(models * rows * layer_inputs(l));
  }
  return 2 * floats;
}

Mlp::Buffers Mlp::carve(float* memory, std::int64_t models, std::int64_t rows) const {
  Buffers buffers;
  const auto take = [&](std::vector<StackView<float>>& list, std::int64_t columns, std::int64_t stride) {
    list.emplace_back(memory, models, rows, columns, rows * stride, stride);
    memory += whole_lines(models * rows * stride);
  };
  for (int l = 0; l < layers(); ++l) {
    for (auto* list : {&buffers.output, &buffers.gradient}) take(*list, layers_[l].out, row_stride(layers_[l]));
    for (auto* list : {&buffers.joined, &buffers.joined_gradient}) {
      if (joins(l)) {
        take(*list, layer_inputs(l), layer_inputs(l));
      } else {
        list->emplace_back();
      }
    }
  }
  return buffers;
}

void Mlp::initialise(Context& context, StackView<float> flat, RandomKey key) const {
  for (int l = 0; l < layers(); ++l) {
    const LayerSpec& layer = layers_[l];
    fill(context, bias(l, flat), 0.0f);
    if (layer.layer_norm) {
      fill(context, weight(l, flat), 1.0f);
      continue;
    }
    const int taps = layer.convolves ? layer.window.height * layer.window.width : 1;
    const float limit = static_cast<float>(std::sqrt(6.0 / (double(fan_in(l)) + double(taps) * units(l))));
    RandomKey own = key;
    const int number = place(l);
    own.lane += static_cast<std::uint32_t>(number < first_layers ? number : further_lane + number - first_layers);
    run(context, FillUniform{.out = weight(l, flat), .key = own, .low = -limit, .high = limit});
  }
}

void Mlp::forward(Context& context, StackView<const float> flat, StackView<const float> x, const Buffers& buffers,
                  const RandomKey* dropout) const {
  plain_pass(context, *this, flat, x, buffers).forward(dropout);
}

void Mlp::backward(Context& context, StackView<const float> flat, StackView<const float> x, const Buffers& buffers,
                   StackView<float> flat_gradient, StackView<float> dx, BackwardOptions options) const {
  plain_pass(context, *this, flat, x, buffers).backward(flat_gradient, dx, options);
}

void Mlp::add_gradient_penalty(Context& context, StackView<const float> flat, const Buffers& buffers,
                               StackView<float> input_gradient, const Buffers& tangent, float scale, bool dropout,
                               StackView<float> flat_gradient) const {
  if (std::any_of(layers_.begin(), layers_.end(), [](const LayerSpec& layer) { return layer.layer_norm; }))
    throw Error(ErrorCode::unsupported, "the penalty takes piecewise-linear layers, not normalisations");
  // g = grad_x of the output: the backward data pass from 1. It leaves delta_l in gradient[l].
  fill(context, buffers.gradient.back(), 1.0f);
  backward(context, flat, {}, buffers, {}, input_gradient, {.dropout = dropout});
  add_tangent_products(context, flat, buffers, input_gradient, tangent, scale, dropout, flat_gradient, false);
}

void Mlp::add_tangent_products(Context& context, StackView<const float> flat, const Buffers& buffers,
                               StackView<const float> direction, const Buffers& tangent, float scale, bool dropout,
                               StackView<float> flat_gradient, bool to_output) const {
  plain_pass(context, *this, flat, {}, buffers)
      .add_tangent_products(direction, tangent, scale, dropout, flat_gradient, to_output);
}

}  // namespace cugad
