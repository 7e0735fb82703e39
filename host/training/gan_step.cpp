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
      models_(models),
      arena_(context_.backend()),
      stacked_parts_(options.fence > 0.0f ? 3 : 2) {
  const std::int64_t generated =
      options.coverage > 0.0f ? std::max<std::int64_t>(batch(), options.coverage_rows) : batch();
  index_ = arena_.stack<std::int32_t>("minibatch rows", models, batch(), 1);
  latent_ = arena_.stack("latent of the discriminator step", models, batch(), networks.latent);
  generator_latent_ = arena_.stack("latent of the generator step", models, generated, networks.latent);
  const std::int64_t columns = data.columns, stride = (columns + 15) / 16 * 16;
  stacked_ = {arena_.take<float>("real, generated and fence rows", models * stacked_parts_ * batch() * stride),
              models,
              stacked_parts_ * batch(),
              columns,
              stacked_parts_ * batch() * stride,
              stride};
  input_gradient_ = {arena_.take<float>("gradient of the discriminator's input", models * generated * stride),
                     models,
                     generated,
                     columns,
                     generated * stride,
                     stride};
  generator_gradient_ = arena_.stack("generator gradient", models, 1, networks.generator.parameters());
  discriminator_gradient_ = arena_.stack("discriminator gradient", models, 1, networks.discriminator.parameters());
  const auto carve = [&](const char* name, const Mlp& network, std::int64_t rows) {
    return network.carve(arena_.take<float>(name, network.buffer_floats(models, rows)), models, rows);
  };
  generator_buffers_ = carve("generator activations", networks_.generator, generated);
  discriminator_generator_buffers_ =
      carve("generator activations of the discriminator step", networks_.generator, batch());
  discriminator_buffers_ = carve("discriminator activations", networks_.discriminator, stacked_parts_ * batch());
  if (options.r1 > 0.0f) tangent_buffers_ = carve("tangents", networks_.discriminator, batch());
  // The generator's last layer writes straight into the stacked batch.
  discriminator_generator_buffers_.output.back() = stacked_.slice_rows(batch(), batch());
}

void GanStep::bind(std::uint64_t seed, NetworkState generator, NetworkState discriminator,
                   StackView<const float> model_scale, StepTelemetry telemetry) {
  seed_ = seed;
  generator_ = generator;
  discriminator_ = discriminator;
  model_scale_ = model_scale;
  telemetry_ = telemetry;
}

RandomKey GanStep::key(RandomPurpose purpose, std::uint32_t lane, std::int64_t t) const {
  return {
      .seed = seed_, .purpose = purpose, .lane = lane, .step = static_cast<std::uint32_t>(t), .step_counter = nullptr};
}

float GanStep::decayed(float rate, std::int64_t t) const {
  if (options_.final_rate >= 1.0f) return rate;
  const double share = std::min(1.0, static_cast<double>(t) / static_cast<double>(options_.decay_steps));
  const double last = options_.final_rate;
  return static_cast<float>(rate * (last + (1.0 - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * share))));
}

void GanStep::sample_discriminator(std::int64_t t, int inner) {
  const auto draw = static_cast<std::uint32_t>(inner);
  const std::int64_t draws = t * options_.discriminator_steps + inner;  // minibatches continue across inner updates
  run(context_, SampleRows{.index = index_,
                           .source_rows = static_cast<std::int32_t>(data_.rows),
                           .first_row = {},
                           .row_count = {},
                           .key = key(RandomPurpose::minibatch, 0, draws)});
  run(context_, GatherRows{.source = shared_by(models(), data_), .index = index_, .out = real()});
  run(context_, FillNormal{.out = latent_, .key = key(RandomPurpose::latent, discriminator_latent_lane + draw, t)});
}

void GanStep::update_discriminator(std::int64_t t, int inner, bool report) {
  const Mlp& network = networks_.discriminator;
  const std::int64_t rows = batch();
  networks_.generator.forward(context_, generator_.parameter, latent_, discriminator_generator_buffers_);
  if (options_.fence > 0.0f) {
    run(context_, FenceRows{.real = real(),
                            .key = key(RandomPurpose::fence, static_cast<std::uint32_t>(inner), t),
                            .out = stacked_.slice_rows(2 * rows, rows)});
  }
  const bool dropout = options_.dropout > 0.0f;
  const RandomKey drop =
      key(RandomPurpose::dropout,
          discriminator_dropout_lane + dropout_lanes_per_pass * static_cast<std::uint32_t>(inner), t);
  network.forward(context_, discriminator_.parameter, stacked_, discriminator_buffers_, dropout ? &drop : nullptr);

  const float fake_share = 1.0f / (1.0f + options_.fence);
  const auto loss = [&](int part, float target, float weight, bool accumulate, StackView<float> value,
                        StackView<float> probability) {
    run(context_, SigmoidCrossEntropy{.logit = discriminator_buffers_.result().slice_rows(part * rows, rows),
                                      .target = target,
                                      .weight = weight,
                                      .dlogit = discriminator_buffers_.result_gradient().slice_rows(part * rows, rows),
                                      .per_row = {},
                                      .loss = report ? value : StackView<float>{},
                                      .mean_probability = report ? probability : StackView<float>{},
                                      .accumulate = accumulate});
  };
  loss(0, 1.0f - options_.label_smoothing, 1.0f, false, telemetry_.real_loss, telemetry_.real_probability);
  loss(1, 0.0f, fake_share, false, telemetry_.fake_loss, telemetry_.fake_probability);
  if (options_.fence > 0.0f) loss(2, 0.0f, options_.fence * fake_share, true, telemetry_.fake_loss, {});

  network.backward(context_, discriminator_.parameter, stacked_, discriminator_buffers_, discriminator_gradient_, {},
                   {.dropout = dropout, .accumulate = false});
  if (options_.r1 > 0.0f && t % options_.r1_every == 0) {
    const float scale = options_.r1 * static_cast<float>(options_.r1_every) / static_cast<float>(rows);
    network.add_gradient_penalty(context_, discriminator_.parameter, discriminator_buffers_.slice_rows(0, rows),
                                 input_gradient_.slice_rows(0, rows), tangent_buffers_, scale, dropout,
                                 discriminator_gradient_);
  }
  run(context_, Adam{.parameter = discriminator_.parameter,
                     .gradient = discriminator_gradient_,
                     .first_moment = discriminator_.first_moment,
                     .second_moment = discriminator_.second_moment,
                     .average = discriminator_.average,
                     .model_scale = model_scale_,
                     .squared_norm = report ? telemetry_.discriminator_norm : StackView<float>{},
                     .form = options_.adam_form,
                     .learning_rate = decayed(options_.discriminator_learning_rate, t),
                     .beta1 = options_.beta1,
                     .beta2 = options_.beta2,
                     .average_decay = options_.average_decay,
                     .step = t * options_.discriminator_steps + inner + 1});
}

void GanStep::sample_generator(std::int64_t t) {
  run(context_, FillNormal{.out = generator_latent_, .key = key(RandomPurpose::latent, generator_latent_lane, t)});
}

void GanStep::update_generator(std::int64_t t, bool report) {
  const Mlp& judge = networks_.discriminator;
  const std::int64_t rows = batch();
  networks_.generator.forward(context_, generator_.parameter, generator_latent_, generator_buffers_);
  const StackView<float> generated = generator_buffers_.result();
  const StackView<float> gradient = generator_buffers_.result_gradient();
  const Mlp::Buffers judged = discriminator_buffers_.slice_rows(0, rows);
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
  networks_.generator.backward(context_, generator_.parameter, generator_latent_, generator_buffers_,
                               generator_gradient_, {}, {});
  run(context_, Adam{.parameter = generator_.parameter,
                     .gradient = generator_gradient_,
                     .first_moment = generator_.first_moment,
                     .second_moment = generator_.second_moment,
                     .average = generator_.average,
                     .model_scale = model_scale_,
                     .squared_norm = report ? telemetry_.generator_norm : StackView<float>{},
                     .form = options_.adam_form,
                     .learning_rate = decayed(options_.learning_rate, t),
                     .beta1 = options_.beta1,
                     .beta2 = options_.beta2,
                     .average_decay = options_.average_decay,
                     .step = t + 1});
}

void GanStep::step(std::int64_t t, bool report) {
  for (int inner = 0; inner < options_.discriminator_steps; ++inner) {
    sample_discriminator(t, inner);
    update_discriminator(t, inner, report);
  }
  sample_generator(t);
  update_generator(t, report);
}

}  // namespace cugad
