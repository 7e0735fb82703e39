#include "host/network/part.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "cugad/error.hpp"
#include "host/backend/elementwise.hpp"
#include "host/network/images.hpp"

namespace cugad {
namespace {

/// Lanes of initial_weights, from the lane of the part's first layer; those of its weights are in host/network/mlp.cpp.
constexpr std::uint32_t power_lane = 8, reference_lane = 15, projection_lane = 48, share_lane = 49;

using Rows = LayerTechniques::Rows;

}  // namespace

void Part::add(const Techniques& network, Rows rows, bool is_last) {
  techniques.layer.resize(static_cast<std::size_t>(mlp.layers()));
  techniques.part_rows = network.part_rows;
  techniques.epsilon = network.epsilon;
  techniques.momentum = network.momentum;
  const int normalised = mlp.layers() - (is_last ? 1 : 0);
  for (int l = 0; l < normalised; ++l) {
    if (mlp.layer(l).layer_norm) continue;
    techniques.layer[l].spectral = network.spectral_norm;
    techniques.layer[l].rows = rows;
    if (!mlp.layer(l).batch_norm) continue;
    techniques.layer[l].rows = Rows::batch;
    techniques.layer[l].pixels = pixels_of(mlp.layer(l).to);
    techniques.layer[l].has_bias = false;
  }
  techniques.spectral = network.spectral_norm && normalised > 0;
  if (rows == Rows::reference) {
    techniques.reference_rows = network.virtual_batch;
    techniques.reference_layers = normalised;
  }
  if (is_last && mlp.layers() > 1) {
    techniques.layer.back().kernels = network.minibatch_kernels;
    techniques.layer.back().dimensions = network.minibatch_dimensions;
  }
  if (std::none_of(techniques.layer.begin(), techniques.layer.end(),
                   [](const LayerTechniques& layer) { return layer.is_active(); })) {
    techniques.layer.clear();  // slices of buffers are cheaper without
  }
}

void Part::place_trained(std::int64_t& at) {
  for (int l = 0; l < techniques.layers(); ++l) {
    LayerTechniques& layer = techniques.layer[l];
    const std::int64_t out = mlp.layer(l).out, channels = out / layer.pixels;
    if (layer.rows != Rows::none) {
      layer.scale = at;
      layer.shift = at + channels;
      at += 2 * channels;
    }
    layer.projection = at;
    layer.share = at + std::int64_t{layer.kernels} * layer.dimensions * mlp.layer_inputs(l);
    at = layer.share + out * layer.kernels;
  }
}

void Part::place_constants(std::int64_t& at) {
  techniques.reference = at;
  at += techniques.reference_rows * mlp.inputs();
}

void Part::place_kept(std::int64_t& at) {
  for (int l = 0; l < techniques.layers(); ++l) {
    LayerTechniques& layer = techniques.layer[l];
    const auto place = [&](std::int64_t& where, std::int64_t count) {
      where = at;
      at += count;
    };
    const std::int64_t out = mlp.layer(l).out;
    if (layer.spectral) place(layer.u, out);
    if (layer.rows == Rows::batch) {
      place(layer.moving_mean, out);
      place(layer.moving_variance, out);
    }
    place(layer.moving_nearness, layer.kernels);
  }
}

PartMemory Part::carve(Carver& carver, std::int64_t rows) const {
  PartMemory memory;
  memory.part_rows = techniques.part_rows;
  memory.reference_rows = techniques.reference_rows;
  memory.layer.resize(techniques.layer.size());
  const auto take = [&](std::int64_t of_rows, std::int64_t columns, std::initializer_list<StackView<float>*> views) {
    for (StackView<float>* view : views) *view = carver.take(of_rows, columns);
  };
  if (techniques.spectral) take(1, mlp.parameters(), {&memory.effective, &memory.gradient});
  for (int l = 0; l < techniques.layers(); ++l) {
    const LayerTechniques& layer = techniques.layer[l];
    LayerMemory& kept = memory.layer[l];
    const std::int64_t out = mlp.layer(l).out, in = mlp.layer_inputs(l), channels = out / layer.pixels;
    if (layer.spectral) {
      take(1, mlp.units(l), {&kept.u, &kept.left});
      take(1, mlp.fan_in(l), {&kept.v});
      take(1, 1, {&kept.sigma});
    }
    if (layer.pixels > 1) {
      for (StackView<float>* view : {&kept.sums, &kept.sums_gradient}) *view = carver.take_images(rows, out);
    } else if (layer.rows != Rows::none) {
      take(techniques.reference_rows + rows, out, {&kept.sums, &kept.sums_gradient});
    }
    if (layer.pixels > 1 && is_branch() && l + 1 == mlp.layers()) {
      for (StackView<float>* view : {&kept.images, &kept.images_gradient}) *view = carver.take_images(rows, out);
    }
    if (layer.rows != Rows::none) {
      const std::int64_t parts = layer.rows == Rows::batch ? parts_of(rows, techniques.part_rows) : 1;
      take(parts, channels, {&kept.mean, &kept.inverse_deviation});
    }
    if (layer.rows == Rows::batch) take(1, channels, {&kept.moving_mean, &kept.moving_variance});
    if (layer.kernels == 0) continue;
    take(rows, std::int64_t{layer.kernels} * layer.dimensions, {&kept.projection, &kept.projection_gradient});
    take(rows, layer.kernels, {&kept.nearness, &kept.nearness_gradient});
    take(rows, out, {&kept.share});
    take(rows, in, {&kept.features_gradient});
    take(1, layer.kernels, {&kept.nearness_mean, &kept.nearness_deviation, &kept.moving_nearness});
  }
  return memory;
}

void Part::initialise(Context& context, StackView<float> flat, RandomKey key) const {
  mlp.initialise(context, flat.slice_columns(offset, mlp.parameters()), key);
  const auto from_lane = [&](std::uint32_t lane) {
    RandomKey moved = key;
    moved.lane += lane;
    return moved;
  };
  for (int l = 0; l < techniques.layers(); ++l) {
    const LayerTechniques& layer = techniques.layer[l];
    const int out = mlp.layer(l).out, in = mlp.layer_inputs(l), projected = layer.kernels * layer.dimensions;
    const auto row = [&](std::int64_t at) { return parameters_at(flat, at, 1, out / layer.pixels); };
    const auto uniform = [&](StackView<float> view, double fans, std::uint32_t lane) {
      const auto limit = static_cast<float>(std::sqrt(6.0 / fans));
      run(context, FillUniform{.out = view, .key = from_lane(lane), .low = -limit, .high = limit});
    };
    if (layer.spectral) {
      run(context, FillNormal{.out = parameters_at(flat, layer.u, 1, mlp.units(l)),
                              .key = from_lane(power_lane + static_cast<std::uint32_t>(l))});
    }
    if (layer.rows != Rows::none) {
      fill(context, row(layer.scale), 1.0f);
      fill(context, row(layer.shift), 0.0f);
    }
    if (layer.rows == Rows::batch) {
      fill(context, row(layer.moving_mean), 0.0f);
      fill(context, row(layer.moving_variance), 1.0f);
    }
    if (layer.kernels == 0) continue;
    uniform(parameters_at(flat, layer.projection, projected, in), in + projected, projection_lane);
    uniform(parameters_at(flat, layer.share, out, layer.kernels), in + layer.kernels + out, share_lane);
    fill(context, parameters_at(flat, layer.moving_nearness, 1, layer.kernels), 1.0f);  // each row is near itself
  }
  if (techniques.reference_rows == 0) return;
  run(context, FillNormal{.out = parameters_at(flat, techniques.reference, techniques.reference_rows, mlp.inputs()),
                          .key = from_lane(reference_lane)});
}

void Part::write_kept(Context& context, const PartMemory& memory, StackView<float> flat_gradient) const {
  for (int l = 0; l < techniques.layers(); ++l) {
    const LayerTechniques& layer = techniques.layer[l];
    const LayerMemory& kept = memory.layer[l];
    const auto write = [&](StackView<const float> next, std::int64_t at) {
      copy(context, next, parameters_at(flat_gradient, at, 1, next.columns));
    };
    if (layer.spectral) write(kept.left, layer.u);
    if (layer.rows == Rows::batch) {
      write(kept.moving_mean, layer.moving_mean);
      write(kept.moving_variance, layer.moving_variance);
    }
    if (layer.kernels > 0) write(kept.moving_nearness, layer.moving_nearness);
  }
}

PartMemory PartMemory::slice_rows(std::int64_t first, std::int64_t count) const {
  if (reference_rows > 0 && first != 0) {
    throw Error(ErrorCode::unsupported, "the rows behind a reference batch are cut at the end only");
  }
  PartMemory some = *this;
  const std::int64_t part = part_rows > 0 ? first / part_rows : 0;
  for (LayerMemory& kept : some.layer) {
    for (StackView<float>* view : {&kept.projection, &kept.projection_gradient, &kept.nearness, &kept.nearness_gradient,
                                   &kept.share, &kept.features_gradient}) {
      *view = view->slice_rows(first, count);
    }
    for (StackView<float>* view : {&kept.sums, &kept.sums_gradient}) {
      *view = view->slice_rows(first, reference_rows + count);
    }
    for (StackView<float>* view : {&kept.images, &kept.images_gradient}) {
      if (*view) *view = view->slice_rows(first, count);
    }
    for (StackView<float>* view : {&kept.mean, &kept.inverse_deviation}) {
      *view = view->slice_rows(part, view->rows - part);
    }
  }
  return some;
}

PartMemory PartMemory::slice_models(std::int64_t first, std::int64_t count) const {
  PartMemory some = *this;
  const auto slice = [&](StackView<float>& view) { view = view.slice_models(first, count); };
  slice(some.effective);
  slice(some.gradient);
  for (LayerMemory& kept : some.layer) {
    for (StackView<float>* view : {&kept.u,
                                   &kept.left,
                                   &kept.v,
                                   &kept.sigma,
                                   &kept.sums,
                                   &kept.sums_gradient,
                                   &kept.images,
                                   &kept.images_gradient,
                                   &kept.mean,
                                   &kept.inverse_deviation,
                                   &kept.moving_mean,
                                   &kept.moving_variance,
                                   &kept.projection,
                                   &kept.projection_gradient,
                                   &kept.nearness,
                                   &kept.nearness_gradient,
                                   &kept.share,
                                   &kept.features_gradient,
                                   &kept.nearness_mean,
                                   &kept.nearness_deviation,
                                   &kept.moving_nearness}) {
      slice(*view);
    }
  }
  return some;
}

}  // namespace cugad
