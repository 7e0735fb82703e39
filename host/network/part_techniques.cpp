#include "host/network/part_techniques.hpp"

#include <algorithm>
#include <utility>

#include "cugad/error.hpp"

namespace cugad {
namespace {

constexpr float moving_momentum = 0.99f;
/// Lanes of initial_weights from the part's own: its at most 8 layers, their power iterations, the reference latents.
constexpr std::uint32_t power_lane = 8, reference_lane = 15;

void copy(Context& context, StackView<const float> from, StackView<float> to) {
  run(context, FillMissing{.x = from, .replacement = from, .out = to});
}
void fill(Context& context, StackView<float> view, float value) {
  if (view) run(context, FillUniform{.out = view, .key = {}, .low = value, .high = value});
}

}  // namespace

PartTechniques::PartTechniques(Mlp mlp, std::int64_t offset, bool last, Rows rows, const Techniques& techniques)
    : mlp_(std::move(mlp)),
      offset_(offset),
      rows_(rows),
      part_rows_(techniques.part_rows),
      reference_rows_(rows == Rows::reference ? techniques.virtual_batch : 0),
      layers_(static_cast<std::size_t>(mlp_.layers())) {
  for (int l = 0; l < mlp_.layers(); ++l) {
    if (last && l + 1 == mlp_.layers()) break;
    layers_[l].spectral = techniques.spectral_norm;
    layers_[l].normalised = rows != Rows::none;
    spectral_ = spectral_ || techniques.spectral_norm;
  }
}

void PartTechniques::place_trained(std::int64_t& at) {
  for (int l = 0; l < mlp_.layers(); ++l) {
    if (!layers_[l].normalised) continue;
    layers_[l].scale = at;
    layers_[l].shift = at + mlp_.layer(l).out;
    at += 2 * mlp_.layer(l).out;
  }
}

void PartTechniques::place_constants(std::int64_t& at) {
  reference_ = at;
  at += reference_rows_ * mlp_.inputs();
}

void PartTechniques::place_kept(std::int64_t& at) {
  for (int l = 0; l < mlp_.layers(); ++l) {
    const auto place = [&](std::int64_t& where) {
      where = at;
      at += mlp_.layer(l).out;
    };
    if (layers_[l].spectral) place(layers_[l].u);
    if (layers_[l].normalised && rows_ == Rows::batch) {
      place(layers_[l].moving_mean);
      place(layers_[l].moving_variance);
    }
  }
}

PartTechniques::Memory PartTechniques::carve(Carver& carver, std::int64_t rows) const {
  Memory memory;
  memory.part_rows = part_rows_;
  memory.layer.resize(layers_.size());
  if (spectral_) {
    memory.effective = carver.take(1, mlp_.parameters());
    memory.gradient = carver.take(1, mlp_.parameters());
  }
  for (int l = 0; l < mlp_.layers(); ++l) {
    LayerMemory& kept = memory.layer[l];
    const std::int64_t out = mlp_.layer(l).out;
    if (layers_[l].spectral) {
      kept.u = carver.take(1, out);
      kept.left = carver.take(1, out);
      kept.v = carver.take(1, mlp_.layer_inputs(l));
      kept.sigma = carver.take(1, 1);
    }
    if (!layers_[l].normalised) continue;
    const std::int64_t parts = rows_ == Rows::batch ? parts_of(rows, part_rows_) : 1;
    kept.reference_rows = reference_rows_;
    kept.input = carver.take(reference_rows_ + rows, out);
    kept.input_gradient = carver.take(reference_rows_ + rows, out);
    kept.mean = carver.take(parts, out);
    kept.inverse_deviation = carver.take(parts, out);
    if (rows_ == Rows::reference) continue;
    kept.moving_mean = carver.take(1, out);
    kept.moving_variance = carver.take(1, out);
  }
  return memory;
}

void PartTechniques::initialise(Context& context, StackView<float> flat, RandomKey key) const {
  const std::uint32_t own = key.lane;
  for (int l = 0; l < mlp_.layers(); ++l) {
    const Layer& layer = layers_[l];
    const auto view = [&](std::int64_t at) { return parameters_at(flat, at, 1, mlp_.layer(l).out); };
    if (layer.spectral) {
      key.lane = own + power_lane + static_cast<std::uint32_t>(l);
      run(context, FillNormal{.out = view(layer.u), .key = key});
    }
    if (!layer.normalised) continue;
    fill(context, view(layer.scale), 1.0f);
    fill(context, view(layer.shift), 0.0f);
    if (rows_ == Rows::reference) continue;
    fill(context, view(layer.moving_mean), 0.0f);
    fill(context, view(layer.moving_variance), 1.0f);
  }
  if (reference_rows_ == 0) return;
  key.lane = own + reference_lane;
  run(context, FillNormal{.out = parameters_at(flat, reference_, reference_rows_, mlp_.inputs()), .key = key});
}

StackView<const float> PartTechniques::weights(StackView<const float> flat, const Memory& memory) const {
  return spectral_ ? StackView<const float>(memory.effective) : flat.slice_columns(offset_, mlp_.parameters());
}

StackView<float> PartTechniques::with_reference(StackView<float> rows) const {
  return {rows.data - reference_rows_ * rows.row_stride,
          rows.models,
          rows.rows + reference_rows_,
          rows.columns,
          rows.model_stride,
          rows.row_stride};
}

void PartTechniques::normalise_weights(Context& context, StackView<const float> flat, const Memory& memory) const {
  const StackView<const float> own = flat.slice_columns(offset_, mlp_.parameters());
  copy(context, own, memory.effective);
  for (int l = 0; l < mlp_.layers(); ++l) {
    if (!layers_[l].spectral) continue;
    SpectralNorm args;
    args.weight = mlp_.weight(l, own);
    // A pass only reads u; hand_on() gives its next value.
    const StackView<const float> u = parameters_at(flat, layers_[l].u, 1, mlp_.layer(l).out);
    copy(context, u, memory.layer[l].u);
    args.u = memory.layer[l].u;
    args.update = false;
    args.v = memory.layer[l].v;
    args.sigma = memory.layer[l].sigma;
    args.normalised = mlp_.weight(l, memory.effective);
    args.left = memory.layer[l].left;
    run(context, args);
  }
}

void PartTechniques::forward(Context& context, StackView<const float> flat, StackView<const float> x,
                             const Mlp::Buffers& buffers, const Memory& memory, const RandomKey* dropout) const {
  if (spectral_) normalise_weights(context, flat, memory);
  if (rows_ == Rows::none) return mlp_.forward(context, weights(flat, memory), x, buffers, dropout);
  for (int l = 0; l < mlp_.layers(); ++l) {
    forward_dense(context, l, flat, x, buffers, memory, dropout);
    if (layers_[l].normalised) normalise(context, l, flat, buffers, memory, dropout);
  }
}

/// The dense layer alone where a normalisation follows; its activation belongs behind that.
void PartTechniques::forward_dense(Context& context, int l, StackView<const float> flat, StackView<const float> x,
                                   const Mlp::Buffers& buffers, const Memory& memory, const RandomKey* dropout) const {
  const bool normalised = layers_[l].normalised;
  const StackView<const float> own = weights(flat, memory);
  const auto pass = [&](StackView<const float> from, StackView<float> to) {
    DenseForward args;
    args.x = from;
    args.weight = mlp_.weight(l, own);
    args.bias = mlp_.bias(l, own);
    args.y = to;
    if (!normalised) {
      args.activation = mlp_.layer(l).activation;
      args.slope = mlp_.layer(l).slope;
      if (dropout != nullptr && mlp_.layer(l).dropout > 0.0f) {
        args.dropout = {mlp_.layer(l).dropout, *dropout};
        args.dropout.key.lane += static_cast<std::uint32_t>(l);
      }
    }
    run(context, args);
  };
  if (!normalised) return pass(l == 0 ? x : StackView<const float>(buffers.output[l - 1]), buffers.output[l]);
  const StackView<float> to = memory.layer[l].input;
  if (l > 0) return pass(with_reference(buffers.output[l - 1]), to);
  if (reference_rows_ > 0) {
    pass(parameters_at(flat, reference_, reference_rows_, mlp_.inputs()), to.slice_rows(0, reference_rows_));
  }
  pass(x, to.slice_rows(reference_rows_, x.rows));
}

void PartTechniques::normalise(Context& context, int l, StackView<const float> flat, const Mlp::Buffers& buffers,
                               const Memory& memory, const RandomKey* dropout) const {
  const Layer& layer = layers_[l];
  const LayerMemory& kept = memory.layer[l];
  const LayerSpec& spec = mlp_.layer(l);
  const auto view = [&](std::int64_t at) { return parameters_at(flat, at, 1, spec.out); };
  if (rows_ == Rows::batch) {
    copy(context, view(layer.moving_mean), kept.moving_mean);
    copy(context, view(layer.moving_variance), kept.moving_variance);
  }
  const StackView<float> output = with_reference(buffers.output[l]);
  const std::int64_t part_rows = rows_ == Rows::batch ? part_rows_ : 0;
  for_each_part(output.rows, part_rows, [&](std::int64_t part, std::int64_t first, std::int64_t count) {
    BatchNorm args;
    args.x = kept.input.slice_rows(first, count);
    args.scale = view(layer.scale);
    args.shift = view(layer.shift);
    args.epsilon = epsilon;
    args.reference_rows = static_cast<std::int32_t>(reference_rows_);
    args.activation = spec.activation;
    args.slope = spec.slope;
    if (dropout != nullptr && spec.dropout > 0.0f) {
      args.dropout = {spec.dropout, *dropout};
      args.dropout.key.lane += static_cast<std::uint32_t>(l);
    }
    args.y = output.slice_rows(first, count);
    args.mean = kept.mean.slice_rows(part, 1);
    args.inverse_deviation = kept.inverse_deviation.slice_rows(part, 1);
    args.momentum = moving_momentum;
    args.moving_mean = kept.moving_mean;
    args.moving_variance = kept.moving_variance;
    run(context, args);
  });
}

void PartTechniques::hand_on(Context& context, const Memory& memory, StackView<float> flat_gradient) const {
  for (int l = 0; l < mlp_.layers(); ++l) {
    const Layer& layer = layers_[l];
    const auto view = [&](std::int64_t at) { return parameters_at(flat_gradient, at, 1, mlp_.layer(l).out); };
    if (layer.spectral) copy(context, memory.layer[l].left, view(layer.u));
    if (!layer.normalised || rows_ == Rows::reference) continue;
    copy(context, memory.layer[l].moving_mean, view(layer.moving_mean));
    copy(context, memory.layer[l].moving_variance, view(layer.moving_variance));
  }
}

}  // namespace cugad
