#pragma once

#include "host/backend/elementwise.hpp"
#include "host/network/layer_pass.hpp"

/// What the passes over layers share.
namespace cugad {

/// A layer draws from the lane of its place.
inline Dropout dropout_of(const LayerSpec& layer, int l, const RandomKey* key) {
  if (key == nullptr || layer.dropout <= 0.0f) return {};
  Dropout dropout{layer.dropout, *key};
  dropout.key.lane += static_cast<std::uint32_t>(l);
  return dropout;
}

/// Calls work(args) with the arguments of the layer's op: `Convolution` with its shapes, or `Dense`.
template <class Dense, class Convolution, class Work>
void with_op_of(const LayerSpec& layer, Work&& work) {
  if (!layer.convolves) return work(Dense{});
  Convolution args;
  args.from = layer.from;
  args.to = layer.to;
  args.window = layer.window;
  work(args);
}

/// Scales and shifts of a normalisation, one under the other, side by side.
template <class T>
StackView<T> as_row(StackView<T> column) {
  return {
      column.data, column.models, 1, column.rows * column.columns, column.model_stride, column.rows * column.columns};
}

/// From the gradient with respect to the weights that the passes used to that of the trained ones: work(gradient) must
/// fill the former (null: no gradient is wanted).
template <class Work>
void LayerPass::through_spectral_norm(StackView<float> flat_gradient, bool accumulate, Work&& work) const {
  if (!flat_gradient) return work(StackView<float>());
  const StackView<float> own = flat_gradient.slice_columns(offset, mlp.parameters());
  if (!techniques.spectral) return work(own);
  // The map is linear: what is accumulated has passed through it already.
  const StackView<float> gradient = accumulate ? memory.gradient : own;
  if (accumulate) fill(context, gradient, 0.0f);
  work(gradient);
  for (int l = 0; l < mlp.layers(); ++l) {
    if (!technique(l).spectral) continue;
    const LayerMemory& kept = memory.layer[l];
    run(context, SpectralNormBackward{.normalised = mlp.weight(l, StackView<const float>(memory.effective)),
                                      .left = kept.left,
                                      .v = kept.v,
                                      .sigma = kept.sigma,
                                      .gradient = mlp.weight(l, gradient)});
  }
  if (accumulate) add(context, gradient, own);
}

}  // namespace cugad
