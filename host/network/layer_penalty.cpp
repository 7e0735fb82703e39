#include "cugad/error.hpp"
#include "host/network/layer_ops.hpp"

/// The passes of gradient penalties over layers in a row: tangents, and what is curved.
namespace cugad {

void LayerPass::add_tangent_products(StackView<const float> direction, const Mlp::Buffers& tangent, float scale,
                                     bool dropout, StackView<float> flat_gradient, bool to_output) const {
  // d/dW_l of scale/2 |g|^2 = scale * delta_l (outer) t_(l-1), with t_0 = g pushed forward through the same masks.
  through_spectral_norm(flat_gradient, true, [&](StackView<float> gradient) {
    for (int l = 0; l < mlp.layers(); ++l) {
      const LayerSpec& layer = mlp.layer(l);
      if (mlp.layer(l).rectifies) throw Error(ErrorCode::unsupported, "a gradient penalty takes no skips through ReLU");
      StackView<const float> before = l == 0 ? direction : StackView<const float>(tangent.output[l - 1]);
      if (mlp.joins(l)) {
        join_inputs(l, before, tangent);
        before = tangent.joined[l];
      }
      if (layer.layer_norm) {
        push_through_normalisation(l, before, tangent.output[l], dropout);
        continue;
      }
      with_op_of<DenseBackward, ConvolutionBackward>(layer, [&](auto outer) {
        outer.x = before;
        outer.weight = mlp.weight(l, weights());
        outer.dy = buffers.gradient[l];
        outer.dweight = mlp.weight(l, gradient);
        outer.scale = scale;
        outer.accumulate = true;
        run(context, outer);
      });
      if (l + 1 == mlp.layers() && !to_output) break;
      with_op_of<DenseForward, ConvolutionForward>(layer, [&](auto push) {
        push.x = before;
        push.weight = mlp.weight(l, weights());
        push.y = tangent.output[l];
        push.activation = layer.activation;
        push.slope = layer.slope;
        push.dropout.rate = dropout ? layer.dropout : 0.0f;
        push.derivative_of = buffers.output[l];
        run(context, push);
      });
    }
  });
}

void LayerPass::push_through_normalisation(int l, StackView<const float> direction, StackView<float> to,
                                           bool dropout) const {
  const LayerSpec& layer = mlp.layer(l);
  LayerNorm args;
  args.x = input(l);
  args.scale = as_row(mlp.weight(l, weights()));
  args.shift = mlp.bias(l, weights());
  args.activation = layer.activation;
  args.slope = layer.slope;
  args.dropout.rate = dropout ? layer.dropout : 0.0f;
  args.y = to;
  args.tangent = direction;
  args.derivative_of = buffers.output[l];
  run(context, args);
}

bool LayerPass::is_curved() const {
  for (int l = 0; l < mlp.layers(); ++l) {
    if (mlp.layer(l).layer_norm) return true;
  }
  return false;
}

void LayerPass::add_curvature(const Mlp::Buffers& tangent, float scale, bool dropout, StackView<float> flat_gradient,
                              bool from_output, StackView<float> dx) const {
  int top = mlp.layers() - 1;
  while (!from_output && top >= 0 && !mlp.layer(top).layer_norm) --top;
  if (top < 0) return;
  // Behind the last normalisation nothing is curved.
  if (!from_output) fill(context, tangent.gradient[top], 0.0f);
  through_spectral_norm(flat_gradient, true, [&](StackView<float> gradient) {
    for (int l = top; l >= 0; --l) {
      const LayerSpec& layer = mlp.layer(l);
      const StackView<float> below = l == 0 ? dx : tangent.gradient[l - 1];
      if (layer.layer_norm) {
        LayerNormBackward args = normalisation_backward(l, gradient, dropout);
        args.y = buffers.output[l];
        args.dy = tangent.gradient[l];
        args.dx = below;
        args.weight = scale;
        args.accumulate = true;
        args.tangent = tangent.output[l - 1];
        args.signal = buffers.gradient[l];
        run(context, args);
        continue;
      }
      with_op_of<DenseBackward, ConvolutionBackward>(layer, [&](auto args) {
        args.x = input(l);
        args.weight = mlp.weight(l, weights());
        args.y = buffers.output[l];
        args.dy = tangent.gradient[l];
        args.dx = below;
        args.dweight = mlp.weight(l, gradient);
        args.dbias = mlp.bias(l, gradient);
        args.activation = layer.activation;
        args.slope = layer.slope;
        args.dropout_rate = dropout ? layer.dropout : 0.0f;
        args.scale = scale;
        args.accumulate = true;
        run(context, args);
      });
    }
  });
}

}  // namespace cugad
