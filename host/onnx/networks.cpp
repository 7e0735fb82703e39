#include "host/onnx/networks.hpp"

#include <algorithm>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/network/images.hpp"

namespace cugad::onnx {
namespace {

Value for_models(Graph& graph, const Stack& stack, std::int64_t models) {
  return stack.models == models ? stack.value : graph.add("Expand", {stack.value, graph.integers({models, 1, 1})});
}

Value activate(Graph& graph, const LayerSpec& layer, const Value& sums) {
  switch (layer.activation) {
    case Activation::identity:
      return sums;
    case Activation::relu:
      return graph.add("Relu", {sums});
    case Activation::leaky_relu:
      return graph.add("LeakyRelu", {sums}, {{"alpha", layer.slope}});
    case Activation::sigmoid:
      return graph.add("Sigmoid", {sums});
    case Activation::tanh:
      return graph.add("Tanh", {sums});
  }
  throw Error(ErrorCode::unsupported, "a layer has an activation that ONNX export does not know");
}

/// Pads and further lines of a convolution in one direction, as ONNX counts them, and what it makes too many of.
struct Lines {
  std::int64_t before, after, more, made;
};

Lines lines_of(std::int64_t from, std::int64_t to, std::int64_t window, std::int64_t before, const Window& of) {
  const std::int64_t stride = of.stride;
  if (of.transposed) {
    const std::int64_t rest = (from - 1) * stride + window - before - to;
    if (-rest >= stride) {
      throw Error(ErrorCode::unsupported, "a transposed convolution from " + std::to_string(from) + " to " +
                                              std::to_string(to) +
                                              " lines leaves lines out, which ONNX cannot express");
    }
    return {before, std::max<std::int64_t>(0, rest), std::max<std::int64_t>(0, -rest), to};
  }
  const std::int64_t after = std::max<std::int64_t>(0, (to - 1) * stride + window - before - from);
  return {before, after, 0, (from + before + after - window) / stride + 1};
}

}  // namespace

Stack columns_of(Graph& graph, const Stack& stack, std::int64_t begin, std::int64_t end) {
  if (begin == 0 && end == stack.columns) return stack;
  return {graph.slice(stack.value, 2, begin, end), stack.models, end - begin};
}

Stack joined(Graph& graph, const Stack& left, const Stack& right) {
  if (left.columns == 0) return right;
  if (right.columns == 0) return left;
  const std::int64_t models = std::max(left.models, right.models);
  const std::vector<Value> both = {for_models(graph, left, models), for_models(graph, right, models)};
  return {graph.concat(both, 2), models, left.columns + right.columns};
}

NetworkNodes::NetworkNodes(Graph& graph, Context& context, const Network& network, StackView<const float> weights)
    : graph_(graph), network_(network) {
  for (std::int64_t m = 0; m < weights.models; ++m) {
    model_.push_back(download(context, weights.model(m).data, weights.columns));
  }
}

std::vector<float> NetworkNodes::parameters(std::int64_t begin, std::int64_t count) const {
  std::vector<float> values;
  for (const std::vector<float>& model : model_) {
    values.insert(values.end(), model.begin() + begin, model.begin() + begin + count);
  }
  return values;
}

NetworkNodes::Pass NetworkNodes::pass(const Stack& x, const Stack& z) {
  if (!network_.is_joint()) return pass_part(0, x);
  const Stack data = pass_part(0, x).result, latent = pass_part(1, z).result;
  return pass_part(2, joined(graph_, data, latent));
}

const NetworkNodes::Weights& NetworkNodes::weights_of(std::size_t part, int layer) {
  const auto [found, is_new] = made_.try_emplace({part, layer});
  if (is_new) found->second = make_weights(part, layer);
  return found->second;
}

NetworkNodes::Weights NetworkNodes::make_weights(std::size_t part, int l) {
  const Mlp& mlp = network_.parts()[part].mlp;
  const LayerSpec& layer = mlp.layer(l);
  const std::int64_t offset = network_.parts()[part].offset, units = mlp.units(l), fan_in = mlp.fan_in(l);
  const auto models = static_cast<std::int64_t>(model_.size());
  const std::vector<float> given = parameters(offset + mlp.weight_offset(l), units * fan_in);
  const std::vector<float> bias = parameters(offset + mlp.bias_offset(l), units);
  if (layer.layer_norm) {
    // One of each channel, for all pixels.
    const auto of_pixels = [&](const std::vector<float>& channels) {
      std::vector<float> all;
      for (std::int64_t m = 0; m < models; ++m) {
        for (std::int64_t p = 0; p < layer.out / units; ++p) {
          all.insert(all.end(), channels.begin() + m * units, channels.begin() + (m + 1) * units);
        }
      }
      return graph_.constant(all, {models, 1, layer.out});
    };
    return {of_pixels(given), of_pixels(bias)};
  }
  const auto put = [&](const Shape& shape, const auto& place_of) {
    std::vector<float> weight(given.size());
    for (std::int64_t m = 0; m < models; ++m) {
      for (std::int64_t o = 0; o < units; ++o) {
        for (std::int64_t i = 0; i < fan_in; ++i) weight[place_of(m, o, i)] = given[(m * units + o) * fan_in + i];
      }
    }
    return graph_.constant(weight, shape);
  };
  if (!layer.convolves) {
    const auto transposed = [&](std::int64_t m, std::int64_t o, std::int64_t i) {
      return (m * fan_in + i) * units + o;
    };
    return {put({models, fan_in, units}, transposed), graph_.constant(bias, {models, 1, units})};
  }
  // From [out, taps, in] to [out, in, taps], or [in, out, taps] where it is transposed.
  const std::int64_t channels = layer.from.channels, taps = fan_in / channels;
  const bool inputs_first = layer.window.transposed;
  const auto place = [&](std::int64_t m, std::int64_t o, std::int64_t i) {
    const std::int64_t c = i % channels, tap = i / channels;
    return (inputs_first ? (m * channels + c) * units + o : (m * units + o) * channels + c) * taps + tap;
  };
  const Shape shape = {models * (inputs_first ? channels : units), inputs_first ? units : channels, layer.window.height,
                       layer.window.width};
  return {put(shape, place), graph_.constant(bias, {models * units})};
}

/// What the layer takes: `first` with what is joined to the channels of its pixels, as LayerPass::join_inputs.
Stack NetworkNodes::join_input(const Mlp& mlp, int l, const Stack& first, const std::vector<Stack>& outputs) {
  if (!mlp.joins(l)) return first;
  const LayerSpec& layer = mlp.layer(l);
  const std::int64_t pixels = pixels_of(l == 0 ? mlp.layer(0).from : mlp.layer(l - 1).to);
  const std::int64_t own = first.columns - layer.beside_columns;
  Stack a = columns_of(graph_, first, 0, own);
  Stack b = layer.beside >= 0 ? outputs[static_cast<std::size_t>(layer.beside)]
                              : columns_of(graph_, first, own, first.columns);
  if (layer.rectifies) b.value = graph_.add("Relu", {b.value});
  const std::int64_t a_channels = own / pixels, b_channels = mlp.layer_inputs(l) / pixels - a_channels;
  const bool is_one_pixel = b.columns == b_channels;
  const std::int64_t models = std::max(a.models, b.models);
  a.value = graph_.reshape(for_models(graph_, a, models), {0, 0, pixels, a_channels});
  b.value = graph_.reshape(for_models(graph_, b, models), {0, 0, is_one_pixel ? 1 : pixels, b_channels});
  if (is_one_pixel) b.value = graph_.add("Expand", {b.value, graph_.integers({1, 1, pixels, 1})});
  const std::vector<Value> both = {a.value, b.value};
  return {graph_.reshape(graph_.concat(both, 3), {0, 0, mlp.layer_inputs(l)}), models, mlp.layer_inputs(l)};
}

/// Images are rows of pixels here, and channels of lines in ONNX; models are groups of channels.
Stack NetworkNodes::convolve(const LayerSpec& layer, const Stack& given, const Weights& weights) {
  const ImageShape &from = layer.from, &to = layer.to;
  const Window& window = layer.window;
  const auto models = static_cast<std::int64_t>(model_.size());
  Stack x = given;
  if (window.transposed) x = {for_models(graph_, given, models), models, given.columns};
  Value image = graph_.reshape(x.value, {0, 0, from.height, from.width, from.channels});
  image = graph_.add("Transpose", {image}, {{"perm", Shape{1, 0, 4, 2, 3}}});
  image = graph_.reshape(image, {0, x.models * from.channels, from.height, from.width});
  const Lines y = lines_of(from.height, to.height, window.height, window.pad_top, window);
  const Lines z = lines_of(from.width, to.width, window.width, window.pad_left, window);
  std::vector<Attribute> attributes = {{"group", x.models},
                                       {"kernel_shape", Shape{window.height, window.width}},
                                       {"pads", Shape{y.before, z.before, y.after, z.after}},
                                       {"strides", Shape{window.stride, window.stride}}};
  if (window.transposed) attributes.push_back({"output_padding", Shape{y.more, z.more}});
  image = graph_.add(window.transposed ? "ConvTranspose" : "Conv", {image, weights.weight, weights.bias}, attributes);
  if (y.made > to.height) image = graph_.slice(image, 2, 0, to.height);
  if (z.made > to.width) image = graph_.slice(image, 3, 0, to.width);
  image = graph_.reshape(image, {0, models, to.channels, to.height, to.width});
  image = graph_.add("Transpose", {image}, {{"perm", Shape{1, 0, 3, 4, 2}}});
  return {graph_.reshape(image, {0, 0, layer.out}), models, layer.out};
}

Value NetworkNodes::normalise(const Stack& x, const Weights& weights) {
  const Value centred = graph_.add("Sub", {x.value, graph_.reduce("ReduceMean", x.value, 2)});
  const Value variance = graph_.reduce("ReduceMean", graph_.add("Mul", {centred, centred}), 2);
  const Value deviation = graph_.add("Sqrt", {graph_.add("Add", {variance, graph_.scalar(LayerNorm{}.epsilon)})});
  const Value scaled = graph_.add("Mul", {graph_.add("Div", {centred, deviation}), weights.weight});
  return graph_.add("Add", {scaled, weights.bias});
}

NetworkNodes::Pass NetworkNodes::pass_part(std::size_t part, const Stack& x) {
  const Mlp& mlp = network_.parts()[part].mlp;
  const auto models = static_cast<std::int64_t>(model_.size());
  std::vector<Stack> outputs;
  for (int l = 0; l < mlp.layers(); ++l) {
    const LayerSpec& layer = mlp.layer(l);
    const Weights& weights = weights_of(part, l);
    const Stack input = join_input(mlp, l, l == 0 ? x : outputs.back(), outputs);
    Value sums;
    if (layer.layer_norm) {
      sums = normalise(input, weights);
    } else if (layer.convolves) {
      sums = convolve(layer, input, weights).value;
    } else {
      sums = graph_.add("Add", {graph_.add("MatMul", {input.value, weights.weight}), weights.bias});
    }
    outputs.push_back({activate(graph_, layer, sums), models, layer.out});
  }
  return {outputs.back(), outputs.size() > 1 ? outputs[outputs.size() - 2] : x};
}

}  // namespace cugad::onnx
