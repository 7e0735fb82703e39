#include "host/training/gan_step.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "cugad/error.hpp"

namespace cugad {
namespace {

// Lanes of RandomPurpose::latent and ::dropout. Inner discriminator updates take consecutive lanes.
constexpr std::uint32_t generator_latent_lane = 0, discriminator_latent_lane = 64;
constexpr std::uint32_t generator_dropout_lane = 0, discriminator_dropout_lane = 1024;
constexpr std::uint32_t dropout_lanes_per_pass = 16;

}  // namespace

GanNetworks::GanNetworks(const DetectorOptions& options, std::int64_t columns) {
  latent = options.latent > 0 ? options.latent : std::max(2, static_cast<int>((columns + 1) / 2));
  std::vector<LayerSpec> layers;
  for (int width : options.hidden) layers.push_back({width, Activation::relu, 0.0f, 0.0f});
  layers.push_back({static_cast<int>(columns), Activation::identity, 0.0f, 0.0f});
  generator = Mlp(latent, layers);
  layers.clear();
  for (int width : options.discriminator_hidden) {
    layers.push_back({width, Activation::leaky_relu, options.slope, options.dropout});
  }
  layers.push_back({1, Activation::identity, 0.0f, 0.0f});
  discriminator = Mlp(static_cast<int>(columns), layers);
}

GanStep::GanStep(Context context, const DetectorOptions& options, const GanNetworks& networks,
                 MatrixView<const float> data, std::int64_t models)
    : context_(std::move(context)),
      options_(options),
      networks_(networks),
      data_(data),
      arena_(context_.backend()),
      stacked_parts_(options.fence > 0.0f ? 3 : 2) {
  const std::int64_t generated =
      options.coverage > 0.0f ? std::max<std::int64_t>(batch(), options.coverage_rows) : batch();
  work_.index = arena_.stack<std::int32_t>("minibatch rows", models, batch(), 1);
  step_counter_ = arena_.stack<std::uint32_t>("step counter", 1, 1, 1);
  rate_scale_ = arena_.stack("rate scale", 1, 1, 1);
  work_.latent = arena_.stack("latent of the discriminator step", models, batch(), networks.latent);
  work_.generator_latent = arena_.stack("latent of the generator step", models, generated, networks.latent);
  const std::int64_t columns = data.columns, stride = (columns + 15) / 16 * 16;
  work_.stacked = {arena_.take<float>("real, generated and fence rows", models * stacked_parts_ * batch() * stride),
                   models,
                   stacked_parts_ * batch(),
                   columns,
                   stacked_parts_ * batch() * stride,
                   stride};
  work_.input_gradient = {arena_.take<float>("gradient of the discriminator's input", models * generated * stride),
                          models,
                          generated,
                          columns,
                          generated * stride,
                          stride};
  work_.generator_gradient = arena_.stack("generator gradient", models, 1, networks.generator.parameters());
  work_.discriminator_gradient = arena_.stack("discriminator gradient", models, 1, networks.discriminator.parameters());
  const auto carve = [&](const char* name, const Mlp& network, std::int64_t rows) {
    return network.carve(arena_.take<float>(name, network.buffer_floats(models, rows)), models, rows);
  };
  work_.generator_buffers = carve("generator activations", networks_.generator, generated);
  work_.discriminator_generator_buffers =
      carve("generator activations of the discriminator step", networks_.generator, batch());
  work_.discriminator_buffers = carve("discriminator activations", networks_.discriminator, stacked_parts_ * batch());
  if (options.r1 > 0.0f) work_.tangent_buffers = carve("tangents", networks_.discriminator, batch());
  // The generator's last layer writes straight into the stacked batch.
  work_.discriminator_generator_buffers.output.back() = work_.stacked.slice_rows(batch(), batch());
  all_ = work_;
}

GanStep::Work GanStep::Work::of_models(std::int64_t count) const {
  return {index.slice_models(0, count),
          latent.slice_models(0, count),
          generator_latent.slice_models(0, count),
          stacked.slice_models(0, count),
          input_gradient.slice_models(0, count),
          generator_gradient.slice_models(0, count),
          discriminator_gradient.slice_models(0, count),
          generator_buffers.slice_models(0, count),
          discriminator_generator_buffers.slice_models(0, count),
          discriminator_buffers.slice_models(0, count),
          tangent_buffers.slice_models(0, count)};
}

void GanStep::bind(std::uint64_t seed, NetworkState generator, NetworkState discriminator,
                   StackView<const float> model_scale, StepTelemetry telemetry) {
  seed_ = seed;
  generator_ = generator;
  discriminator_ = discriminator;
  model_scale_ = model_scale;
  telemetry_ = telemetry;
  work_ = all_.of_models(generator.parameter.models);
  // They work on the models bound before.
  several_steps_.reset();
  for (int i : {0, 1}) {
    one_step_[i].reset();
    reporting_step_[i].reset();
  }
}

RandomKey GanStep::key(RandomPurpose purpose, std::uint32_t lane, std::int64_t t, std::uint32_t stride,
                       std::uint32_t offset) const {
  RandomKey key{.seed = seed_, .purpose = purpose, .lane = lane};
  key.step = offset;
  if (recording_) {
    key.step_counter = step_counter_.data;
    key.step_stride = stride;
  } else {
    key.step += static_cast<std::uint32_t>(t) * stride;
  }
  return key;
}

float GanStep::rate_scale(std::int64_t t) const {
  if (options_.final_rate >= 1.0f) return 1.0f;
  const double share = std::min(1.0, static_cast<double>(t) / static_cast<double>(options_.decay_steps));
  const double last = options_.final_rate;
  return static_cast<float>(last + (1.0 - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * share)));
}

Adam GanStep::adam(const NetworkState& network, StackView<const float> gradient, float rate, std::int64_t t, int stride,
                   int offset, StackView<float> norm) const {
  Adam args{.parameter = network.parameter,
            .gradient = gradient,
            .first_moment = network.first_moment,
            .second_moment = network.second_moment,
            .average = network.average,
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
    args.rate_scale = rate_scale_.data;
  } else {
    args.step += t * stride;
    args.learning_rate = rate * rate_scale(t);
  }
  return args;
}

void GanStep::sample_discriminator(std::int64_t t, int inner) {
  const auto draw = static_cast<std::uint32_t>(inner);
  // Minibatches continue across inner updates.
  const auto updates = static_cast<std::uint32_t>(options_.discriminator_steps);
  run(context_, SampleRows{.index = work_.index,
                           .source_rows = static_cast<std::int32_t>(data_.rows),
                           .first_row = {},
                           .row_count = {},
                           .key = key(RandomPurpose::minibatch, 0, t, updates, draw)});
  run(context_, GatherRows{.source = shared_by(models(), data_), .index = work_.index, .out = real()});
  run(context_,
      FillNormal{.out = work_.latent, .key = key(RandomPurpose::latent, discriminator_latent_lane + draw, t)});
}

void GanStep::update_discriminator(std::int64_t t, int inner, bool report) {
  const Mlp& network = networks_.discriminator;
  const std::int64_t rows = batch();
  networks_.generator.forward(context_, generator_.parameter, work_.latent, work_.discriminator_generator_buffers);
  if (options_.fence > 0.0f) {
    run(context_, FenceRows{.real = real(),
                            .key = key(RandomPurpose::fence, static_cast<std::uint32_t>(inner), t),
                            .out = work_.stacked.slice_rows(2 * rows, rows)});
  }
  const bool dropout = options_.dropout > 0.0f;
  const RandomKey drop =
      key(RandomPurpose::dropout,
          discriminator_dropout_lane + dropout_lanes_per_pass * static_cast<std::uint32_t>(inner), t);
  network.forward(context_, discriminator_.parameter, work_.stacked, work_.discriminator_buffers,
                  dropout ? &drop : nullptr);

  const float fake_share = 1.0f / (1.0f + options_.fence);
  const auto loss = [&](int part, float target, float weight, bool accumulate, StackView<float> value,
                        StackView<float> probability) {
    run(context_,
        SigmoidCrossEntropy{.logit = work_.discriminator_buffers.result().slice_rows(part * rows, rows),
                            .target = target,
                            .weight = weight,
                            .dlogit = work_.discriminator_buffers.result_gradient().slice_rows(part * rows, rows),
                            .per_row = {},
                            .loss = report ? value : StackView<float>{},
                            .mean_probability = report ? probability : StackView<float>{},
                            .accumulate = accumulate});
  };
  loss(0, 1.0f - options_.label_smoothing, 1.0f, false, telemetry_.real_loss, telemetry_.real_probability);
  loss(1, 0.0f, fake_share, false, telemetry_.fake_loss, telemetry_.fake_probability);
  if (options_.fence > 0.0f) loss(2, 0.0f, options_.fence * fake_share, true, telemetry_.fake_loss, {});

  network.backward(context_, discriminator_.parameter, work_.stacked, work_.discriminator_buffers,
                   work_.discriminator_gradient, {}, {.dropout = dropout, .accumulate = false});
  if (is_penalised(t)) {
    const float scale = options_.r1 * static_cast<float>(options_.r1_every) / static_cast<float>(rows);
    network.add_gradient_penalty(context_, discriminator_.parameter, work_.discriminator_buffers.slice_rows(0, rows),
                                 work_.input_gradient.slice_rows(0, rows), work_.tangent_buffers, scale, dropout,
                                 work_.discriminator_gradient);
  }
  run(context_, adam(discriminator_, work_.discriminator_gradient, options_.discriminator_learning_rate, t,
                     options_.discriminator_steps, inner, report ? telemetry_.discriminator_norm : StackView<float>{}));
}

void GanStep::sample_generator(std::int64_t t) {
  run(context_, FillNormal{.out = work_.generator_latent, .key = key(RandomPurpose::latent, generator_latent_lane, t)});
}

void GanStep::update_generator(std::int64_t t, bool report) {
  const Mlp& judge = networks_.discriminator;
  const std::int64_t rows = batch();
  networks_.generator.forward(context_, generator_.parameter, work_.generator_latent, work_.generator_buffers);
  const StackView<float> generated = work_.generator_buffers.result();
  const StackView<float> gradient = work_.generator_buffers.result_gradient();
  const Mlp::Buffers judged = work_.discriminator_buffers.slice_rows(0, rows);
  const bool dropout = options_.dropout > 0.0f;
  const RandomKey drop = key(RandomPurpose::dropout, generator_dropout_lane, t);
  judge.forward(context_, discriminator_.parameter, generated.slice_rows(0, rows), judged, dropout ? &drop : nullptr);
  // Minimax: mean log(1 - sigmoid(l)) = -CE(l, 0); non-saturating: CE(l, 1).
  const bool minimax = options_.generator_loss == GeneratorLoss::minimax;
  run(context_, SigmoidCrossEntropy{.logit = judged.output.back(),
                                    .target = minimax ? 0.0f : 1.0f,
                                    .weight = minimax ? -1.0f : 1.0f,
                                    .dlogit = judged.gradient.back(),
                                    .per_row = {},
                                    .loss = report ? telemetry_.generator_loss : StackView<float>{},
                                    .mean_probability = {}});
  judge.backward(context_, discriminator_.parameter, {}, judged, {}, gradient.slice_rows(0, rows),
                 {.dropout = dropout, .accumulate = false});
  if (options_.coverage > 0.0f) {
    if (generated.rows > rows) {
      run(context_,
          FillUniform{.out = gradient.slice_rows(rows, generated.rows - rows), .key = {}, .low = 0.0f, .high = 0.0f});
    }
    run(context_,
        Coverage{
            .generated = generated, .real = real(), .weight = options_.coverage, .dgenerated = gradient, .loss = {}});
  }
  networks_.generator.backward(context_, generator_.parameter, work_.generator_latent, work_.generator_buffers,
                               work_.generator_gradient, {}, {});
  run(context_, adam(generator_, work_.generator_gradient, options_.learning_rate, t, 1, 0,
                     report ? telemetry_.generator_norm : StackView<float>{}));
}

void GanStep::step(std::int64_t t, bool report) {
  for (int inner = 0; inner < options_.discriminator_steps; ++inner) {
    sample_discriminator(t, inner);
    update_discriminator(t, inner, report);
  }
  sample_generator(t);
  update_generator(t, report);
}

bool GanStep::is_penalised(std::int64_t t) const { return options_.r1 > 0.0f && t % options_.r1_every == 0; }

}  // namespace cugad
