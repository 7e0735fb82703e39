#include "cugad/error.hpp"
#include "host/network/part_techniques.hpp"

namespace cugad {
namespace {

void fill(Context& context, StackView<float> view, float value) {
  if (view) run(context, FillUniform{.out = view, .key = {}, .low = value, .high = value});
}

}  // namespace

/// From the gradient with respect to the weights that the passes used to that of the trained ones: work(gradient) must
/// fill the former (null: no gradient is wanted).
template <class Work>
void PartTechniques::through_spectral_norm(Context& context, const Memory& memory, StackView<float> flat_gradient,
                                           bool accumulate, Work&& work) const {
  const StackView<float> own = flat_gradient ? flat_gradient.slice_columns(offset_, mlp_.parameters()) : flat_gradient;
  if (!spectral_ || !flat_gradient) return work(own, accumulate);
  // The map is linear: what was there before has been through it already.
  const StackView<float> gradient = accumulate ? memory.gradient : own;
  if (accumulate) fill(context, gradient, 0.0f);
  work(gradient, accumulate);
  for (int l = 0; l < mlp_.layers(); ++l) {
    if (!layers_[l].spectral) continue;
    run(context, SpectralNormBackward{.normalised = mlp_.weight(l, StackView<const float>(memory.effective)),
                                      .left = memory.layer[l].left,
                                      .v = memory.layer[l].v,
                                      .sigma = memory.layer[l].sigma,
                                      .gradient = mlp_.weight(l, gradient)});
  }
  if (accumulate) run(context, AddRows{.x = gradient, .scale = 1.0f, .y = own});
}

void PartTechniques::backward(Context& context, StackView<const float> flat, StackView<const float> x,
                              const Mlp::Buffers& buffers, const Memory& memory, StackView<float> flat_gradient,
                              StackView<float> dx, const Mlp::BackwardOptions& options) const {
  const auto work = [&](StackView<float> gradient, bool accumulate) {
    Mlp::BackwardOptions mine = options;
    mine.accumulate = accumulate;
    if (rows_ == Rows::none) {
      return mlp_.backward(context, weights(flat, memory), x, buffers, gradient, dx, mine);
    }
    backward_layers(context, flat, x, buffers, memory, gradient, flat_gradient, dx, mine);
  };
  through_spectral_norm(context, memory, flat_gradient, options.accumulate, work);
}

void PartTechniques::backward_layers(Context& context, StackView<const float> flat, StackView<const float> x,
                                     const Mlp::Buffers& buffers, const Memory& memory, StackView<float> part_gradient,
                                     StackView<float> flat_gradient, StackView<float> dx,
                                     const Mlp::BackwardOptions& options) const {
  const int from = mlp_.layers() - 1 - options.skipped;
  // No loss looks at the reference rows themselves.
  const int top = layers_[from].normalised ? from : from - 1;
  if (reference_rows_ > 0 && top >= 0) {
    fill(context, with_reference(buffers.gradient[top]).slice_rows(0, reference_rows_), 0.0f);
  }
  for (int l = from; l >= 0; --l) {
    if (layers_[l].normalised) backward_rows(context, l, flat, buffers, memory, flat_gradient, options);
    backward_dense(context, l, flat, x, buffers, memory, part_gradient, dx, options);
  }
}

void PartTechniques::backward_rows(Context& context, int l, StackView<const float> flat, const Mlp::Buffers& buffers,
                                   const Memory& memory, StackView<float> flat_gradient,
                                   const Mlp::BackwardOptions& options) const {
  const Layer& layer = layers_[l];
  const LayerMemory& kept = memory.layer[l];
  const LayerSpec& spec = mlp_.layer(l);
  const StackView<float> output = with_reference(buffers.output[l]), gradient = with_reference(buffers.gradient[l]);
  const std::int64_t part_rows = rows_ == Rows::batch ? part_rows_ : 0;
  for_each_part(output.rows, part_rows, [&](std::int64_t part, std::int64_t first, std::int64_t count) {
    BatchNormBackward args;
    args.x = kept.input.slice_rows(first, count);
    args.scale = parameters_at(flat, layer.scale, 1, spec.out);
    args.y = output.slice_rows(first, count);
    args.mean = kept.mean.slice_rows(part, 1);
    args.inverse_deviation = kept.inverse_deviation.slice_rows(part, 1);
    args.epsilon = epsilon;
    args.reference_rows = static_cast<std::int32_t>(reference_rows_);
    args.activation = spec.activation;
    args.slope = spec.slope;
    args.dropout_rate = options.dropout ? spec.dropout : 0.0f;
    args.dy = gradient.slice_rows(first, count);
    args.dx = kept.input_gradient.slice_rows(first, count);
    args.dscale = parameters_at(flat_gradient, layer.scale, 1, spec.out);
    args.dshift = parameters_at(flat_gradient, layer.shift, 1, spec.out);
    args.accumulate = options.accumulate || part > 0;
    run(context, args);
  });
}

void PartTechniques::backward_dense(Context& context, int l, StackView<const float> flat, StackView<const float> x,
                                    const Mlp::Buffers& buffers, const Memory& memory, StackView<float> part_gradient,
                                    StackView<float> dx, const Mlp::BackwardOptions& options) const {
  const bool normalised = layers_[l].normalised;
  const StackView<const float> own = weights(flat, memory);
  const auto pass = [&](StackView<const float> from, StackView<float> dy, StackView<float> to, bool accumulate) {
    if (!part_gradient && !to) return;
    DenseBackward args;
    args.x = from;
    args.weight = mlp_.weight(l, own);
    args.dy = dy;
    args.dx = to;
    if (part_gradient) {
      args.dweight = mlp_.weight(l, part_gradient);
      args.dbias = mlp_.bias(l, part_gradient);
    }
    if (!normalised) {
      args.y = buffers.output[l];
      args.activation = mlp_.layer(l).activation;
      args.slope = mlp_.layer(l).slope;
      args.dropout_rate = options.dropout ? mlp_.layer(l).dropout : 0.0f;
    }
    args.accumulate = accumulate;
    run(context, args);
  };
  if (!normalised) {
    return pass(l == 0 ? x : StackView<const float>(buffers.output[l - 1]), buffers.gradient[l],
                l == 0 ? dx : buffers.gradient[l - 1], options.accumulate);
  }
  const StackView<float> dy = memory.layer[l].input_gradient;
  if (l > 0) {
    return pass(with_reference(buffers.output[l - 1]), dy, with_reference(buffers.gradient[l - 1]), options.accumulate);
  }
  pass(x, dy.slice_rows(reference_rows_, dy.rows - reference_rows_), dx, options.accumulate);
  if (reference_rows_ > 0 && part_gradient) {
    pass(parameters_at(flat, reference_, reference_rows_, mlp_.inputs()), dy.slice_rows(0, reference_rows_), {}, true);
  }
}

void PartTechniques::add_tangent_products(Context& context, StackView<const float> flat, const Mlp::Buffers& buffers,
                                          const Memory& memory, StackView<const float> direction,
                                          const Mlp::Buffers& tangent, float scale, bool dropout,
                                          StackView<float> flat_gradient, bool to_output) const {
  if (rows_ != Rows::none) {
    throw Error(ErrorCode::unsupported, "a gradient penalty takes no normalisation over rows");
  }
  through_spectral_norm(context, memory, flat_gradient, true, [&](StackView<float> gradient, bool) {
    mlp_.add_tangent_products(context, weights(flat, memory), buffers, direction, tangent, scale, dropout, gradient,
                              to_output);
  });
}

}  // namespace cugad
