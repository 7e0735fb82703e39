#include "host/network/layer_pass.hpp"

#include <algorithm>

#include "cugad/error.hpp"
#include "host/backend/elementwise.hpp"
#include "host/network/images.hpp"
#include "host/network/layer_ops.hpp"

namespace cugad {
namespace {

using Rows = LayerTechniques::Rows;

}  // namespace

const LayerTechniques& LayerPass::technique(int l) const {
  static const LayerTechniques none;
  return techniques.layer.empty() ? none : techniques.layer[static_cast<std::size_t>(l)];
}

/// The layers' parameters as the passes use them.
StackView<const float> LayerPass::weights() const {
  return techniques.spectral ? StackView<const float>(memory.effective) : flat.slice_columns(offset, mlp.parameters());
}

/// The rows of a buffer that layer l reads or writes: reference rows lie before those of the batch.
StackView<float> LayerPass::rows_of(int l, StackView<float> view) const {
  const std::int64_t before = l < techniques.reference_layers ? techniques.reference_rows : 0;
  return {view.data - before * view.row_stride,
          view.models,
          view.rows + before,
          view.columns,
          view.model_stride,
          view.row_stride};
}

StackView<const float> LayerPass::input(int l) const {
  if (mlp.joins(l)) return buffers.joined[l];
  return l == 0 ? x : StackView<const float>(rows_of(l, buffers.output[l - 1]));
}

std::int32_t LayerPass::joined_pixels(int l) const {
  return static_cast<std::int32_t>(pixels_of(l == 0 ? mlp.layer(0).from : mlp.layer(l - 1).to));
}

/// Joins what a layer takes: `first`, and the output of an earlier layer in `of`, or the last columns of `first`.
void LayerPass::join_inputs(int l, StackView<const float> first, const Mlp::Buffers& of) const {
  if (!mlp.joins(l)) return;
  const LayerSpec& layer = mlp.layer(l);
  JoinChannels join;
  join.a = first.slice_columns(0, first.columns - layer.beside_columns);
  join.b = layer.beside >= 0 ? StackView<const float>(of.output[layer.beside])
                             : first.slice_columns(join.a.columns, layer.beside_columns);
  join.y = of.joined[l];
  join.pixels = joined_pixels(l);
  join.rectify = layer.rectifies;
  run(context, join);
}

/// From the gradient of a joined input to that of the usual one, dx. Of the network's input both parts are written; a
/// condition has no gradient.
void LayerPass::split_gradient(int l, StackView<float> dx) const {
  if (!mlp.joins(l) || !dx) return;
  const LayerSpec& layer = mlp.layer(l);
  SplitChannels split;
  split.dy = buffers.joined_gradient[l];
  split.pixels = joined_pixels(l);
  split.da = dx.slice_columns(0, dx.columns - layer.beside_columns);
  if (layer.beside_columns > 0) {
    const StackView<float> rest = dx.slice_columns(split.da.columns, layer.beside_columns);
    fill(context, rest, 0.0f);
    if (dx.columns == split.dy.columns) split.db = rest;
  }
  run(context, split);
}

/// Adds the gradients of layer l's output that skips carry to layers up to `last`.
void LayerPass::add_skipped_gradients(int l, int last) const {
  for (int reader = l + 2; reader <= last; ++reader) {
    if (mlp.layer(reader).beside != l) continue;
    SplitChannels split;
    split.dy = buffers.joined_gradient[reader];
    split.db = buffers.gradient[l];
    split.pixels = joined_pixels(reader);
    split.rectify = mlp.layer(reader).rectifies;
    if (split.rectify) split.b = buffers.output[l];
    run(context, split);
  }
}

/// What the layer itself writes: its output, or what is normalised before the activation.
StackView<float> LayerPass::sums(int l) const {
  return is_normalised(l) ? memory.layer[l].sums : rows_of(l, buffers.output[l]);
}
/// What a normalisation writes. Pixels are rows only where images follow each other, as in the joined outputs of
/// branches they do not.
StackView<float> LayerPass::normalised(int l) const {
  const StackView<float> images = memory.layer[l].images;
  return images ? images : rows_of(l, buffers.output[l]);
}
StackView<float> LayerPass::sums_gradient(int l) const {
  return is_normalised(l) ? memory.layer[l].sums_gradient : rows_of(l, buffers.gradient[l]);
}

void LayerPass::forward(const RandomKey* dropout) const {
  if (techniques.spectral) normalise_weights();
  for (int l = 0; l < mlp.layers(); ++l) {
    join_inputs(l, l == 0 ? x : StackView<const float>(buffers.output[l - 1]), buffers);
    forward_sums(l, dropout);
    if (is_normalised(l)) normalise_rows(l, dropout);
    if (technique(l).kernels > 0) add_nearness(l);
  }
}

void LayerPass::normalise_weights() const {
  const StackView<const float> own = flat.slice_columns(offset, mlp.parameters());
  copy(context, own, memory.effective);
  for (int l = 0; l < mlp.layers(); ++l) {
    if (!technique(l).spectral) continue;
    const LayerMemory& kept = memory.layer[l];
    // A pass only reads u: its next value is written with the gradient.
    copy(context, parameters_at(flat, technique(l).u, 1, mlp.units(l)), kept.u);
    SpectralNorm args;
    args.weight = mlp.weight(l, own);
    args.u = kept.u;
    args.update = false;
    args.v = kept.v;
    args.sigma = kept.sigma;
    args.normalised = mlp.weight(l, memory.effective);
    args.left = kept.left;
    run(context, args);
  }
}

/// The activation of a normalised layer belongs behind the normalisation.
void LayerPass::forward_layer(int l, StackView<const float> from, StackView<float> to, const RandomKey* dropout) const {
  const LayerSpec& layer = mlp.layer(l);
  if (layer.layer_norm) {
    LayerNorm args;
    args.x = from;
    args.scale = as_row(mlp.weight(l, weights()));
    args.shift = mlp.bias(l, weights());
    args.activation = layer.activation;
    args.slope = layer.slope;
    args.dropout = dropout_of(layer, mlp.place(l), dropout);
    args.y = to;
    return run(context, args);
  }
  with_op_of<DenseForward, ConvolutionForward>(layer, [&](auto args) {
    args.x = from;
    args.weight = mlp.weight(l, weights());
    args.bias = mlp.bias(l, weights());
    args.y = to;
    if (!is_normalised(l)) {
      args.activation = layer.activation;
      args.slope = layer.slope;
      args.dropout = dropout_of(layer, mlp.place(l), dropout);
    }
    run(context, args);
  });
}

/// Reference latents are parameters, the rows of a batch are the caller's: the first layer takes them one by one.
void LayerPass::forward_sums(int l, const RandomKey* dropout) const {
  if (l > 0 || techniques.reference_layers == 0) return forward_layer(l, input(l), sums(l), dropout);
  const std::int64_t before = techniques.reference_rows;
  forward_layer(l, parameters_at(flat, techniques.reference, before, mlp.inputs()), sums(l).slice_rows(0, before),
                dropout);
  forward_layer(l, x, sums(l).slice_rows(before, x.rows), dropout);
}

void LayerPass::normalise_rows(int l, const RandomKey* dropout) const {
  const LayerTechniques& layer = technique(l);
  const LayerMemory& kept = memory.layer[l];
  const LayerSpec& spec = mlp.layer(l);
  const std::int64_t pixels = layer.pixels;
  const auto parameter = [&](std::int64_t at) { return parameters_at(flat, at, 1, spec.out / pixels); };
  if (layer.rows == Rows::batch) {
    copy(context, parameter(layer.moving_mean), kept.moving_mean);
    copy(context, parameter(layer.moving_variance), kept.moving_variance);
  }
  const StackView<float> output = normalised(l);
  const std::int64_t part_rows = layer.rows == Rows::batch ? techniques.part_rows : 0;
  for_each_batch_part(output.rows, part_rows, [&](std::int64_t part, std::int64_t first, std::int64_t count) {
    BatchNorm args;
    args.x = rows_of_pixels(kept.sums.slice_rows(first, count), pixels);
    args.epsilon = techniques.epsilon;
    args.momentum = techniques.momentum;
    args.scale = parameter(layer.scale);
    args.shift = parameter(layer.shift);
    args.reference_rows = static_cast<std::int32_t>(techniques.reference_rows);
    args.activation = spec.activation;
    args.slope = spec.slope;
    args.dropout = dropout_of(spec, mlp.place(l), dropout);
    args.y = rows_of_pixels(output.slice_rows(first, count), pixels);
    args.mean = kept.mean.slice_rows(part, 1);
    args.inverse_deviation = kept.inverse_deviation.slice_rows(part, 1);
    args.moving_mean = kept.moving_mean;
    args.moving_variance = kept.moving_variance;
    run(context, args);
  });
  if (kept.images) copy(context, kept.images, buffers.output[l]);
}

/// Adds the nearness of the other rows of the same part of the batch, in a learnt projection, to the layer's output.
void LayerPass::add_nearness(int l) const {
  const LayerTechniques& layer = technique(l);
  const LayerMemory& kept = memory.layer[l];
  const StackView<const float> features = input(l);
  const auto multiply = [&](StackView<const float> from, std::int64_t at, StackView<float> to) {
    DenseForward args;
    args.x = from;
    args.weight = parameters_at(flat, at, to.columns, from.columns);
    args.y = to;
    run(context, args);
  };
  multiply(features, layer.projection, kept.projection);
  for_each_batch_part(
      features.rows, techniques.part_rows, [&](std::int64_t part, std::int64_t first, std::int64_t count) {
        const StackView<float> nearness = kept.nearness.slice_rows(first, count);
        run(context,
            MinibatchDiscrimination{
                .projection = kept.projection.slice_rows(first, count), .kernels = layer.kernels, .out = nearness});
        if (part > 0) return;
        // The first part are the real rows. Of a normalisation only the moving mean is used.
        copy(context, parameters_at(flat, layer.moving_nearness, 1, layer.kernels), kept.moving_nearness);
        BatchNorm args;
        args.x = nearness;
        args.scale = args.shift = parameters_at(flat, layer.share, 1, layer.kernels);
        args.y = kept.nearness_gradient.slice_rows(first, count);
        args.mean = kept.nearness_mean;
        args.inverse_deviation = kept.nearness_deviation;
        args.moving_mean = kept.moving_nearness;
        run(context, args);
      });
  multiply(kept.nearness, layer.share, kept.share);
  add(context, kept.share, buffers.output[l]);
}

void LayerPass::backward(StackView<float> flat_gradient, StackView<float> dx,
                         const Mlp::BackwardOptions& options) const {
  const int last = mlp.layers() - 1 - options.skipped;
  through_spectral_norm(flat_gradient, options.accumulate, [&](StackView<float> own) {
    const Gradients gradients{own, flat_gradient, dx, options};
    // The loss does not depend on the reference rows' own outputs.
    if (const int l = std::min(last, techniques.reference_layers - 1); l >= 0) {
      fill(context, rows_of(l, buffers.gradient[l]).slice_rows(0, techniques.reference_rows), 0.0f);
    }
    for (int l = last; l >= 0; --l) {
      if (l < last) add_skipped_gradients(l, last);
      const bool has_nearness = technique(l).kernels > 0;
      if (has_nearness) backward_nearness(l, gradients);
      if (is_normalised(l)) backward_rows(l, gradients);
      backward_sums(l, gradients);
      const StackView<float> below = l == 0 ? dx : buffers.gradient[l - 1];
      if (has_nearness && below) add(context, memory.layer[l].features_gradient, below);
    }
  });
}

void LayerPass::backward_layer(int l, StackView<const float> from, StackView<float> y, StackView<float> dy,
                               StackView<float> dx, const Gradients& gradients, bool accumulate) const {
  const LayerSpec& layer = mlp.layer(l);
  if (!gradients.own && is_normalised(l) && !dx) return;  // dy is the gradient of the sums already
  if (layer.layer_norm) {
    LayerNormBackward args = normalisation_backward(l, gradients.own, gradients.options.dropout);
    args.y = y;
    args.dy = dy;
    args.dx = dx;
    args.accumulate = accumulate;
    return run(context, args);
  }
  with_op_of<DenseBackward, ConvolutionBackward>(layer, [&](auto args) {
    args.x = from;
    args.weight = mlp.weight(l, weights());
    args.dy = dy;
    args.dx = dx;
    if (gradients.own) args.dweight = mlp.weight(l, gradients.own);
    if (gradients.own && technique(l).has_bias) args.dbias = mlp.bias(l, gradients.own);
    if (!is_normalised(l)) {
      args.y = y;
      args.activation = layer.activation;
      args.slope = layer.slope;
      args.dropout_rate = gradients.options.dropout ? layer.dropout : 0.0f;
    }
    args.accumulate = accumulate;
    run(context, args);
  });
  if (gradients.own && !technique(l).has_bias && !accumulate) fill(context, mlp.bias(l, gradients.own), 0.0f);
}

/// The operands that a normalisation's backward passes share.
LayerNormBackward LayerPass::normalisation_backward(int l, StackView<float> own_gradient, bool dropout) const {
  const LayerSpec& layer = mlp.layer(l);
  LayerNormBackward args;
  args.x = input(l);
  args.scale = as_row(mlp.weight(l, weights()));
  args.activation = layer.activation;
  args.slope = layer.slope;
  args.dropout_rate = dropout ? layer.dropout : 0.0f;
  if (own_gradient) {
    args.dscale = as_row(mlp.weight(l, own_gradient));
    args.dshift = mlp.bias(l, own_gradient);
  }
  return args;
}

void LayerPass::backward_sums(int l, const Gradients& gradients) const {
  const bool accumulate = gradients.options.accumulate;
  const StackView<float> y = sums(l), dy = sums_gradient(l);
  if (mlp.joins(l)) {
    const StackView<float> below = l == 0 ? gradients.dx : buffers.gradient[l - 1];
    const bool is_wanted = l > 0 || below;
    backward_layer(l, input(l), y, dy, is_wanted ? buffers.joined_gradient[l] : below, gradients, accumulate);
    return split_gradient(l, below);
  }
  if (l > 0) {
    return backward_layer(l, input(l), y, dy, rows_of(l, buffers.gradient[l - 1]), gradients, accumulate);
  }
  const std::int64_t before = techniques.reference_layers > 0 ? techniques.reference_rows : 0;
  const auto batch = [&](StackView<float> view) { return view.slice_rows(before, view.rows - before); };
  backward_layer(l, x, batch(y), batch(dy), gradients.dx, gradients, accumulate);
  if (before == 0 || !gradients.own) return;
  backward_layer(l, parameters_at(flat, techniques.reference, before, mlp.inputs()), y.slice_rows(0, before),
                 dy.slice_rows(0, before), {}, gradients, true);
}

void LayerPass::backward_rows(int l, const Gradients& gradients) const {
  const LayerTechniques& layer = technique(l);
  const LayerMemory& kept = memory.layer[l];
  const LayerSpec& spec = mlp.layer(l);
  const StackView<float> output = normalised(l);
  const StackView<float> gradient = kept.images ? kept.images_gradient : rows_of(l, buffers.gradient[l]);
  if (kept.images) copy(context, buffers.gradient[l], gradient);
  const std::int64_t pixels = layer.pixels, channels = spec.out / pixels;
  const std::int64_t part_rows = layer.rows == Rows::batch ? techniques.part_rows : 0;
  for_each_batch_part(output.rows, part_rows, [&](std::int64_t part, std::int64_t first, std::int64_t count) {
    BatchNormBackward args;
    args.x = rows_of_pixels(kept.sums.slice_rows(first, count), pixels);
    args.epsilon = techniques.epsilon;
    args.scale = parameters_at(flat, layer.scale, 1, channels);
    args.y = rows_of_pixels(output.slice_rows(first, count), pixels);
    args.mean = kept.mean.slice_rows(part, 1);
    args.inverse_deviation = kept.inverse_deviation.slice_rows(part, 1);
    args.reference_rows = static_cast<std::int32_t>(techniques.reference_rows);
    args.activation = spec.activation;
    args.slope = spec.slope;
    args.dropout_rate = gradients.options.dropout ? spec.dropout : 0.0f;
    args.dy = rows_of_pixels(gradient.slice_rows(first, count), pixels);
    args.dx = rows_of_pixels(kept.sums_gradient.slice_rows(first, count), pixels);
    args.dscale = parameters_at(gradients.flat, layer.scale, 1, channels);
    args.dshift = parameters_at(gradients.flat, layer.shift, 1, channels);
    args.accumulate = gradients.options.accumulate || part > 0;
    run(context, args);
  });
}

/// The gradients of the projection and the share, and that of the features into features_gradient.
void LayerPass::backward_nearness(int l, const Gradients& gradients) const {
  const LayerTechniques& layer = technique(l);
  const LayerMemory& kept = memory.layer[l];
  const StackView<const float> features = input(l);
  const auto multiply_backward = [&](StackView<const float> from, std::int64_t at, StackView<float> dy,
                                     StackView<float> dx) {
    DenseBackward args;  // linear: dy is left unchanged
    args.x = from;
    args.weight = parameters_at(flat, at, dy.columns, from.columns);
    args.dy = dy;
    args.dx = dx;
    args.dweight = parameters_at(gradients.flat, at, dy.columns, from.columns);
    args.accumulate = gradients.options.accumulate;
    run(context, args);
  };
  multiply_backward(kept.nearness, layer.share, buffers.gradient[l], kept.nearness_gradient);
  for_each_batch_part(features.rows, techniques.part_rows, [&](std::int64_t, std::int64_t first, std::int64_t count) {
    run(context,
        MinibatchDiscriminationBackward{.projection = kept.projection.slice_rows(first, count),
                                        .out_gradient = kept.nearness_gradient.slice_rows(first, count),
                                        .kernels = layer.kernels,
                                        .projection_gradient = kept.projection_gradient.slice_rows(first, count)});
  });
  multiply_backward(features, layer.projection, kept.projection_gradient, kept.features_gradient);
}

}  // namespace cugad
