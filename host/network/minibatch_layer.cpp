#include "host/network/minibatch_layer.hpp"

#include <cmath>

namespace cugad {
namespace {

constexpr float moving_momentum = 0.99f;

void copy(Context& context, StackView<const float> from, StackView<float> to) {
  run(context, FillMissing{.x = from, .replacement = from, .out = to});
}

}  // namespace

MinibatchLayer::Memory MinibatchLayer::Memory::slice_rows(std::int64_t first, std::int64_t count) const {
  Memory some = *this;
  if (!projection) return some;
  for (StackView<float>* view : {&some.projection, &some.projection_gradient, &some.nearness, &some.nearness_gradient,
                                 &some.share, &some.features_gradient}) {
    *view = view->slice_rows(first, count);
  }
  return some;
}

MinibatchLayer::Memory MinibatchLayer::Memory::slice_models(std::int64_t first, std::int64_t count) const {
  Memory some = *this;
  for (StackView<float>* view :
       {&some.projection, &some.projection_gradient, &some.nearness, &some.nearness_gradient, &some.share,
        &some.features_gradient, &some.mean, &some.inverse_deviation, &some.moving_nearness}) {
    *view = view->slice_models(first, count);
  }
  return some;
}

void MinibatchLayer::place_trained(std::int64_t& at) {
  projection_ = at;
  share_ = projection_ + std::int64_t{kernels_} * dimensions_ * features_;
  at = share_ + std::int64_t{outputs_} * kernels_;
}

void MinibatchLayer::place_kept(std::int64_t& at) {
  moving_ = at;
  at += kernels_;
}

MinibatchLayer::Memory MinibatchLayer::carve(Carver& carver, std::int64_t rows) const {
  const std::int64_t projected = std::int64_t{kernels_} * dimensions_;
  Memory memory;
  memory.projection = carver.take(rows, projected);
  memory.projection_gradient = carver.take(rows, projected);
  memory.nearness = carver.take(rows, kernels_);
  memory.nearness_gradient = carver.take(rows, kernels_);
  memory.share = carver.take(rows, outputs_);
  memory.features_gradient = carver.take(rows, features_);
  memory.mean = carver.take(1, kernels_);
  memory.inverse_deviation = carver.take(1, kernels_);
  memory.moving_nearness = carver.take(1, kernels_);
  return memory;
}

void MinibatchLayer::initialise(Context& context, StackView<float> flat, RandomKey key) const {
  const auto uniform = [&](StackView<float> view, double fans) {
    const auto limit = static_cast<float>(std::sqrt(6.0 / fans));
    run(context, FillUniform{.out = view, .key = key, .low = -limit, .high = limit});
    ++key.lane;
  };
  uniform(projection_of(flat), features_ + kernels_ * dimensions_);
  uniform(share_of(flat), features_ + kernels_ + outputs_);
  // Every row is near itself.
  run(context, FillUniform{.out = parameters_at(flat, moving_, 1, kernels_), .key = {}, .low = 1.0f, .high = 1.0f});
}

void MinibatchLayer::forward(Context& context, StackView<const float> flat, StackView<const float> features,
                             StackView<float> result, const Memory& memory) const {
  DenseForward project;
  project.x = features;
  project.weight = projection_of(flat);
  project.y = memory.projection;
  run(context, project);
  for_each_part(features.rows, part_rows_, [&](std::int64_t part, std::int64_t first, std::int64_t count) {
    const StackView<float> near = memory.nearness.slice_rows(first, count);
    run(context, MinibatchDiscrimination{
                     .projection = memory.projection.slice_rows(first, count), .kernels = kernels_, .out = near});
    if (part > 0) return;
    // The first part are the real rows. Of a normalisation only the moving mean is wanted.
    copy(context, parameters_at(flat, moving_, 1, kernels_), memory.moving_nearness);
    BatchNorm args;
    args.x = near;
    args.scale = args.shift = share_of(flat).slice_rows(0, 1);
    args.y = memory.nearness_gradient.slice_rows(first, count);
    args.mean = memory.mean;
    args.inverse_deviation = memory.inverse_deviation;
    args.momentum = moving_momentum;
    args.moving_mean = memory.moving_nearness;
    run(context, args);
  });
  DenseForward share;
  share.x = memory.nearness;
  share.weight = share_of(flat);
  share.y = memory.share;
  run(context, share);
  run(context, AddRows{.x = memory.share, .scale = 1.0f, .y = result});
}

void MinibatchLayer::backward(Context& context, StackView<const float> flat, StackView<const float> features,
                              StackView<float> result_gradient, const Memory& memory, StackView<float> flat_gradient,
                              bool accumulate) const {
  DenseBackward share;
  share.x = memory.nearness;
  share.weight = share_of(flat);
  share.dy = result_gradient;  // linear: it stays what it is
  share.dx = memory.nearness_gradient;
  share.dweight = share_of(flat_gradient);
  share.accumulate = accumulate;
  run(context, share);
  for_each_part(features.rows, part_rows_, [&](std::int64_t, std::int64_t first, std::int64_t count) {
    run(context,
        MinibatchDiscriminationBackward{.projection = memory.projection.slice_rows(first, count),
                                        .out_gradient = memory.nearness_gradient.slice_rows(first, count),
                                        .kernels = kernels_,
                                        .projection_gradient = memory.projection_gradient.slice_rows(first, count)});
  });
  DenseBackward project;
  project.x = features;
  project.weight = projection_of(flat);
  project.dy = memory.projection_gradient;
  project.dx = memory.features_gradient;
  project.dweight = projection_of(flat_gradient);
  project.accumulate = accumulate;
  run(context, project);
}

void MinibatchLayer::hand_on(Context& context, const Memory& memory, StackView<float> flat_gradient) const {
  copy(context, memory.moving_nearness, parameters_at(flat_gradient, moving_, 1, kernels_));
}

void MinibatchLayer::fold(const float* trained, float* bias) const {
  for (int o = 0; o < outputs_; ++o) {
    double sum = bias[o];
    for (int k = 0; k < kernels_; ++k) {
      sum += double{trained[share_ + std::int64_t{o} * kernels_ + k]} * trained[moving_ + k];
    }
    bias[o] = static_cast<float>(sum);
  }
}

}  // namespace cugad
