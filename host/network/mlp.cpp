#include <cmath>
#include <utility>

#include "cugad/error.hpp"
#include "cugad/network.hpp"

namespace cugad {

Mlp::Mlp(int in, std::vector<LayerSpec> layers) : in_(in), layers_(std::move(layers)) {
  for (int l = 0; l < this->layers(); ++l) {
    if (layers_[l].out < 1 || layer_inputs(l) < 1) {
      throw Error(ErrorCode::invalid_argument, "layer " + std::to_string(l) + " has " +
                                                   std::to_string(layer_inputs(l)) + " inputs and " +
                                                   std::to_string(layers_[l].out) + " outputs, expected at least 1");
    }
    offset_.push_back(parameters_);
    parameters_ += static_cast<std::int64_t>(layers_[l].out) * (layer_inputs(l) + 1);
  }
}

Mlp::Buffers Mlp::Buffers::slice_rows(std::int64_t first, std::int64_t count) const {
  Buffers part;
  for (const StackView<float>& view : output) part.output.push_back(view.slice_rows(first, count));
  for (const StackView<float>& view : gradient) part.gradient.push_back(view.slice_rows(first, count));
  return part;
}

Mlp::Buffers Mlp::Buffers::slice_models(std::int64_t first, std::int64_t count) const {
  Buffers part;
  for (const StackView<float>& view : output) part.output.push_back(view.slice_models(first, count));
  for (const StackView<float>& view : gradient) part.gradient.push_back(view.slice_models(first, count));
  return part;
}

StackView<float> Mlp::weight(int l, StackView<float> flat) const {
  return {flat.data + offset_[l], flat.models, layers_[l].out, layer_inputs(l), flat.model_stride, layer_inputs(l)};
}
StackView<const float> Mlp::weight(int l, StackView<const float> flat) const {
  return {flat.data + offset_[l], flat.models, layers_[l].out, layer_inputs(l), flat.model_stride, layer_inputs(l)};
}
StackView<float> Mlp::bias(int l, StackView<float> flat) const {
  return {flat.data + bias_offset(l), flat.models, 1, layers_[l].out, flat.model_stride, layers_[l].out};
}
StackView<const float> Mlp::bias(int l, StackView<const float> flat) const {
  return {flat.data + bias_offset(l), flat.models, 1, layers_[l].out, flat.model_stride, layers_[l].out};
}

NetworkView Mlp::view(StackView<const float> flat) const {
  if (layers() > NetworkView::max_layers) {
    throw Error(ErrorCode::unsupported, "the latent search takes networks of up to " +
                                            std::to_string(NetworkView::max_layers) + " layers, this one has " +
                                            std::to_string(layers()));
  }
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
  std::int64_t columns = 0;
  for (const LayerSpec& layer : layers_) columns += (layer.out + 15) / 16 * 16;
  return 2 * models * rows * columns;
}

Mlp::Buffers Mlp::carve(float* memory, std::int64_t models, std::int64_t rows) const {
  Buffers buffers;
  for (const LayerSpec& layer : layers_) {
    const std::int64_t stride = (layer.out + 15) / 16 * 16;  // rows start on cache lines
    for (auto* list : {&buffers.output, &buffers.gradient}) {
      list->emplace_back(memory, models, rows, layer.out, rows * stride, stride);
      memory += models * rows * stride;
    }
  }
  return buffers;
}

void Mlp::initialise(Context& context, StackView<float> flat, RandomKey key) const {
  for (int l = 0; l < layers(); ++l) {
    const float limit = static_cast<float>(std::sqrt(6.0 / (layer_inputs(l) + layers_[l].out)));
    run(context, FillUniform{.out = weight(l, flat), .key = key, .low = -limit, .high = limit});
    run(context, FillUniform{.out = bias(l, flat), .key = key, .low = 0.0f, .high = 0.0f});
    ++key.lane;
  }
}

void Mlp::forward(Context& context, StackView<const float> flat, StackView<const float> x, const Buffers& buffers,
                  const RandomKey* dropout) const {
  for (int l = 0; l < layers(); ++l) {
    DenseForward args{.x = l == 0 ? x : StackView<const float>(buffers.output[l - 1]),
                      .weight = weight(l, flat),
                      .bias = bias(l, flat),
                      .y = buffers.output[l],
                      .activation = layers_[l].activation,
                      .slope = layers_[l].slope,
                      .dropout = {},
                      .derivative_of = {}};
    if (dropout != nullptr && layers_[l].dropout > 0.0f) {
      args.dropout = {layers_[l].dropout, *dropout};
      args.dropout.key.lane += static_cast<std::uint32_t>(l);
    }
    run(context, args);
  }
}

void Mlp::backward(Context& context, StackView<const float> flat, StackView<const float> x, const Buffers& buffers,
                   StackView<float> flat_gradient, StackView<float> dx, BackwardOptions options) const {
  for (int l = layers() - 1 - options.skipped; l >= 0; --l) {
    DenseBackward args;
    args.x = l == 0 ? x : StackView<const float>(buffers.output[l - 1]);
    args.weight = weight(l, flat);
    args.y = buffers.output[l];
    args.dy = buffers.gradient[l];
    args.dx = l == 0 ? dx : buffers.gradient[l - 1];
    if (flat_gradient) {
      args.dweight = weight(l, flat_gradient);
      args.dbias = bias(l, flat_gradient);
    }
    args.activation = layers_[l].activation;
    args.slope = layers_[l].slope;
    args.dropout_rate = options.dropout ? layers_[l].dropout : 0.0f;
    args.accumulate = options.accumulate;
    run(context, args);
  }
}

void Mlp::add_gradient_penalty(Context& context, StackView<const float> flat, const Buffers& buffers,
                               StackView<float> input_gradient, const Buffers& tangent, float scale, bool dropout,
                               StackView<float> flat_gradient) const {
  // g = grad_x of the output: the backward data pass from 1. It leaves delta_l in gradient[l].
  run(context, FillUniform{.out = buffers.gradient.back(), .key = {}, .low = 1.0f, .high = 1.0f});
  backward(context, flat, {}, buffers, {}, input_gradient, {.dropout = dropout, .accumulate = false});
  add_tangent_products(context, flat, buffers, input_gradient, tangent, scale, dropout, flat_gradient, false);
}

void Mlp::add_tangent_products(Context& context, StackView<const float> flat, const Buffers& buffers,
                               StackView<const float> direction, const Buffers& tangent, float scale, bool dropout,
                               StackView<float> flat_gradient, bool to_output) const {
  // d/dW_l of scale/2 |g|^2 = scale * delta_l (outer) t_(l-1), with t_0 = g pushed forward through the same masks.
  for (int l = 0; l < layers(); ++l) {
    const StackView<const float> before = l == 0 ? direction : StackView<const float>(tangent.output[l - 1]);
    DenseBackward outer;
    outer.x = before;
    outer.weight = weight(l, flat);
    outer.dy = buffers.gradient[l];
    outer.dweight = weight(l, flat_gradient);
    outer.scale = scale;
    outer.accumulate = true;
    run(context, outer);
    if (l + 1 == layers() && !to_output) break;
    run(context, DenseForward{.x = before,
                              .weight = weight(l, flat),
                              .bias = {},
                              .y = tangent.output[l],
                              .activation = layers_[l].activation,
                              .slope = layers_[l].slope,
                              .dropout = {dropout ? layers_[l].dropout : 0.0f, {}},
                              .derivative_of = buffers.output[l]});
  }
}

}  // namespace cugad
