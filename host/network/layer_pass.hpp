#pragma once

#include "host/network/part.hpp"

namespace cugad {

/// One batch on its way through layers in a row: the only loop over layers. What a layer computes is decided in
/// forward_layer() and backward_layer(), how it is normalised by its LayerTechniques.
struct LayerPass {
  Context& context;
  const Mlp& mlp;
  const PartTechniques& techniques;
  std::int64_t offset = 0;      ///< of the layers' own parameters in flat
  StackView<const float> flat;  ///< parameters of the whole network
  StackView<const float> x;
  const Mlp::Buffers& buffers;
  const PartMemory& memory;

  /// As Mlp::forward, ::backward and ::add_tangent_products.
  void forward(const RandomKey* dropout) const;
  void backward(StackView<float> flat_gradient, StackView<float> dx, const Mlp::BackwardOptions& options) const;
  void add_tangent_products(StackView<const float> direction, const Mlp::Buffers& tangent, float scale, bool dropout,
                            StackView<float> flat_gradient, bool to_output) const;
  /// Whether some layer is not piecewise linear (normalisations): tangents then depend on the layer's input, too.
  bool is_curved() const;
  /// That part of the penalty's gradient, after add_tangent_products and a backward pass: from the gradient of
  /// <backward signal, tangent> with respect to the layers' outputs, which `tangent.gradient` receives, that of the
  /// last one given if `from_output`, to gradients of parameters, which are added, and to dx (null: none).
  void add_curvature(const Mlp::Buffers& tangent, float scale, bool dropout, StackView<float> flat_gradient,
                     bool from_output, StackView<float> dx) const;

 private:
  /// Gradients of one backward pass: of the layers' own parameters, and the network's for those of techniques.
  struct Gradients {
    StackView<float> own, flat, dx;
    Mlp::BackwardOptions options;
  };
  const LayerTechniques& technique(int l) const;
  bool is_normalised(int l) const { return technique(l).rows != LayerTechniques::Rows::none; }
  StackView<const float> weights() const;
  StackView<float> rows_of(int l, StackView<float> view) const;
  StackView<const float> input(int l) const;
  void join_inputs(int l, StackView<const float> first, const Mlp::Buffers& of) const;
  std::int32_t joined_pixels(int l) const;
  void split_gradient(int l, StackView<float> dx) const;
  void add_skipped_gradients(int l, int last) const;
  StackView<float> sums(int l) const;
  StackView<float> normalised(int l) const;
  StackView<float> sums_gradient(int l) const;

  void normalise_weights() const;
  void forward_layer(int l, StackView<const float> from, StackView<float> to, const RandomKey* dropout) const;
  void forward_sums(int l, const RandomKey* dropout) const;
  void normalise_rows(int l, const RandomKey* dropout) const;
  void add_nearness(int l) const;

  template <class Work>
  void through_spectral_norm(StackView<float> flat_gradient, bool accumulate, Work&& work) const;
  void backward_layer(int l, StackView<const float> from, StackView<float> y, StackView<float> dy, StackView<float> dx,
                      const Gradients& gradients, bool accumulate) const;
  LayerNormBackward normalisation_backward(int l, StackView<float> own_gradient, bool dropout) const;
  void backward_sums(int l, const Gradients& gradients) const;
  void backward_rows(int l, const Gradients& gradients) const;
  void backward_nearness(int l, const Gradients& gradients) const;
  void push_through_normalisation(int l, StackView<const float> direction, StackView<float> to, bool dropout) const;
};

}  // namespace cugad
