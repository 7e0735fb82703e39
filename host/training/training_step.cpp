#include "host/training/training_step.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/elementwise.hpp"
#include "host/training/judged_image.hpp"

namespace cugad {

const char* name_of(Role role) {
  constexpr std::array<const char*, role_count> names = {
      "generator", "discriminator", "encoder", "second_encoder", "cycle_discriminator", "latent_discriminator"};
  return names[static_cast<std::size_t>(role)];
}

TrainingStep::TrainingStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                           const TrainingRows& rows, std::int64_t models)
    : context_(std::move(context)),
      options_(options),
      networks_(networks),
      rows_(rows),
      arena_(context_.backend()),
      models_(models),
      room_(models) {
  step_counter_ = arena_.stack<std::uint32_t>("step counter", 1, 1, 1);
  rate_scale_ = arena_.stack("rate scale", 1, 1, 1);
}

TrainingStep::~TrainingStep() = default;

void TrainingStep::take(Network::Buffers& buffers, const char* name, const Network& network, std::int64_t rows) {
  const Network::Buffers all = network.carve(arena_.take<float>(name, network.buffer_floats(room_, rows)), room_, rows);
  buffers = all;
  renew_.push_back([all, &buffers](std::int64_t models) { buffers = all.slice_models(0, models); });
}

void TrainingStep::bind(const RandomKey& key, const NetworkStates& states, StackView<const float> model_scale,
                        StepTelemetry telemetry, std::int64_t first) {
  key_ = key;
  states_ = states;
  model_scale_ = model_scale;
  telemetry_ = telemetry;
  models_ = states[Role::generator].parameter.models;
  first_model_ = first;
  for (const auto& renew : renew_) renew(models_);
  connect();
  recorded_.clear();  // they work on the models bound before
}

RandomKey TrainingStep::key(RandomPurpose purpose, std::uint32_t lane, std::int64_t t, std::uint32_t stride,
                            std::uint32_t offset) const {
  RandomKey key = key_;
  key.purpose = purpose;
  key.lane = lane;
  key.step = offset;
  if (recording_) {
    key.step_counter = step_counter_.data;
    key.step_stride = stride;
  } else {
    key.step += static_cast<std::uint32_t>(t) * stride;
  }
  return key;
}

float TrainingStep::rate_scale(std::int64_t t) const {
  if (options_.final_rate >= 1.0f) return 1.0f;
  const double share = std::min(1.0, static_cast<double>(t) / static_cast<double>(options_.decay_steps));
  const double last = options_.final_rate;
  return static_cast<float>(last + (1.0 - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * share)));
}

void TrainingStep::sample_rows(StackView<std::int32_t> index, std::uint32_t lane, std::int64_t t, std::uint32_t stride,
                               std::uint32_t offset) {
  SampleRows draw;
  draw.index = index;
  draw.key = key(RandomPurpose::minibatch, lane, t, stride, offset);
  rows_.give_to(draw, first_model_, models_);
  run(context_, draw);
  drawn_ = draw.key;
}

void TrainingStep::gather(StackView<const std::int32_t> index, std::int64_t first_column, StackView<float> out) {
  const StackView<const float> source = shared_by(models_, rows_.rows).slice_columns(first_column, out.columns);
  const std::optional<ImageShape> image = judged_image(options_);
  if (!image || (options_.shift == 0 && !options_.flip))
    return run(context_, GatherRows{.source = source, .index = index, .out = out});
  AugmentImages augment;
  augment.source = source;
  augment.index = index;
  augment.out = out;
  augment.image = *image;
  augment.more_channels = options_.target.empty() ? 0 : image->channels;  // the source moves alike
  augment.shift = options_.shift;
  augment.flip = options_.flip;
  augment.key = drawn_;
  augment.key.purpose = RandomPurpose::augmentation;
  run(context_, augment);
}

void TrainingStep::forward_pass(Role role, const Network::Input& in, const Network::Buffers& buffers) {
  networks_[role].forward(context_, parameter(role), in, buffers);
}

void TrainingStep::forward_pass(Role role, const Network::Input& in, const Network::Buffers& buffers,
                                std::uint32_t dropout_lane, std::int64_t t) {
  const RandomKey dropout = key(RandomPurpose::dropout, dropout_lane, t);
  networks_[role].forward(context_, parameter(role), in, buffers, networks_[role].has_dropout() ? &dropout : nullptr);
}

void TrainingStep::backward_pass(Role role, const Network::Input& in, const Network::Buffers& buffers,
                                 StackView<float> gradient, const Network::InputGradient& input_gradient,
                                 const Mlp::BackwardOptions& options) {
  networks_[role].backward(context_, parameter(role), in, buffers, gradient, input_gradient, options);
}

/// Salimans 2016, 3.3: draws the parameters towards their mean so far.
void TrainingStep::average_history(const NetworkState& network, StackView<float> gradient, std::int64_t t, int stride,
                                   std::int64_t offset) {
  HistoricalAverage args{.parameter = network.parameter.slice_columns(0, gradient.columns),
                         .mean = network.history.slice_columns(0, gradient.columns),
                         .gradient = gradient,
                         .model_scale = model_scale_,
                         .weight = options_.historical_averaging,
                         .step = offset + 1};
  if (recording_) {
    args.step_counter = step_counter_.data;
    args.step_stride = stride;
  } else {
    args.step += t * stride;
  }
  run(context_, args);
}

/// Copies the next values of the kept parameters, as of the last pass.
void TrainingStep::keep(const Network& network, const NetworkState& state, StackView<const float> gradient) {
  const std::int64_t count = network.parameters() - network.kept();
  if (count == 0) return;
  const StackView<const float> from = gradient.slice_columns(network.kept(), count);
  for (const StackView<float>& to : {state.parameter, state.average}) {
    if (to) copy(context_, from, to.slice_columns(network.kept(), count));
  }
}

void TrainingStep::update(Role role, StackView<float> gradient, float rate, std::int64_t t, int stride,
                          std::int64_t offset, StackView<float> norm, bool decays) {
  const NetworkState& network = states_[role];
  keep(networks_[role], network, gradient);
  const std::int64_t trained = networks_[role].trained();
  const auto of = [&](StackView<float> view) { return view ? view.slice_columns(0, trained) : view; };
  if (network.history) average_history(network, of(gradient), t, stride, offset);
  Adam args{.parameter = of(network.parameter),
            .gradient = of(gradient),
            .first_moment = of(network.first_moment),
            .second_moment = of(network.second_moment),
            .average = of(network.average),
            .model_scale = model_scale_,
            .squared_norm = norm,
            .form = options_.adam_form,
            .learning_rate = rate,
            .beta1 = options_.beta1,
            .beta2 = options_.beta2,
            .average_decay = options_.average_decay,
            .step = offset + 1};
  if (recording_) {
    args.step_counter = step_counter_.data;
    args.step_stride = stride;
    if (decays) args.rate_scale = rate_scale_.data;
  } else {
    args.step += t * stride;
    if (decays) args.learning_rate = rate * rate_scale(t);
  }
  run(context_, args);
}

void TrainingStep::advance(std::int64_t from, std::int64_t to, bool report) {
  if (const std::int64_t end = phase_end(from); end < to) {
    advance(from, end, false);
    return advance(end, to, report);
  }
  prepare(from);
  if (context_.backend().runs_models_together()) {
    replay(from, to, report);
  } else {
    for (std::int64_t t = from; t < to; ++t) step(t, report && t + 1 == to);
  }
}

}  // namespace cugad
