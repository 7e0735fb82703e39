#include "host/training/gan_step.hpp"

#include <algorithm>
#include <utility>

namespace cugad {
namespace {

// Lanes of RandomPurpose::latent and ::dropout. Inner discriminator updates take consecutive lanes.
constexpr std::uint32_t generator_latent_lane = 0, discriminator_latent_lane = 64, between_lane = 128;
constexpr std::uint32_t generator_dropout_lane = 0, real_features_dropout_lane = 16;
constexpr std::uint32_t discriminator_dropout_lane = 1024, between_dropout_lane = 4096;
// The generator's own dropout, in its step and in those of the discriminator.
constexpr std::uint32_t generator_noise_lane = 512, discriminator_noise_lane = 2048;
constexpr std::uint32_t dropout_lanes_per_pass = 16;

}  // namespace

GanStep::GanStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                 const TrainingRows& rows, std::int64_t models)
    : TrainingStep(std::move(context), options, networks, rows, models) {
  const std::int64_t parts = options.fence > 0.0f ? 3 : 2;
  const std::int64_t generated =
      options.coverage > 0.0f ? std::max<std::int64_t>(batch(), options.coverage_rows) : batch();
  const int latent = networks.generator().inputs(), columns = networks.row_columns();
  take(index_, "minibatch rows", batch(), 1);
  take(latent_, "latent of the discriminator step", batch(), latent);
  take(generator_latent_, "latent of the generator step", generated, latent);
  take(stacked_, "real, generated and fence rows", parts * batch(), columns);
  take(generated_rows_, "generated rows", generated, columns);
  take(generated_gradient_, "gradient of the generated rows", generated, columns);
  take(input_gradient_, "gradient of the discriminator's input", batch(), columns);
  take(generator_gradient_, "generator gradient", 1, networks.generator().parameters());
  take(discriminator_gradient_, "discriminator gradient", 1, networks.discriminator().parameters());
  take(generator_buffers_, "generator activations", networks.generator(), generated);
  take(discriminator_generator_buffers_, "generator activations of the discriminator step", networks.generator(),
       batch());
  take(discriminator_buffers_, "discriminator activations", networks.discriminator(), parts * batch());
  if (options.r1 > 0.0f || penalises_critic()) take(tangent_buffers_, "tangents", networks.discriminator(), batch());
  if (penalises_critic()) {
    take(between_, "rows between real and generated ones", batch(), columns);
    take(between_buffers_, "discriminator activations between", networks.discriminator(), batch());
  }
  GanStep::connect();
}

/// The generator's last layer writes straight into the rows that the discriminator sees.
void GanStep::connect() {
  const int columns = networks_.columns;
  discriminator_generator_buffers_.trunk().output.back() =
      stacked_.slice_rows(batch(), batch()).slice_columns(0, columns);
  generator_buffers_.trunk().output.back() = generated_rows_.slice_columns(0, columns);
  generator_buffers_.trunk().gradient.back() = generated_gradient_.slice_columns(0, columns);
}

/// Generated rows have the conditions of real ones, in turn.
void GanStep::copy_condition(StackView<const float> rows, StackView<float> latent, StackView<float> generated) {
  if (networks_.condition == 0) return;
  const auto condition = [&](auto view, std::int64_t first) { return view.slice_columns(first, networks_.condition); };
  for (std::int64_t first = 0; first < generated.rows; first += rows.rows) {
    const std::int64_t count = std::min(rows.rows, generated.rows - first);
    const StackView<const float> given = condition(rows.slice_rows(0, count), networks_.columns);
    for (const StackView<float>& out : {condition(latent.slice_rows(first, count), networks_.latent),
                                        condition(generated.slice_rows(first, count), networks_.columns)}) {
      run(context_, FillMissing{.x = given, .replacement = given, .out = out});
    }
  }
}

void GanStep::sample_discriminator(std::int64_t t, int inner) {
  const auto draw = static_cast<std::uint32_t>(inner);
  // Minibatches continue across inner updates.
  sample_rows(index_, 0, t, static_cast<std::uint32_t>(options_.discriminator_steps), draw);
  gather(index_, 0, real());
  if (networks_.latent > 0) {
    run(context_, FillNormal{.out = discriminator_latent(),
                             .key = key(RandomPurpose::latent, discriminator_latent_lane + draw, t)});
  }
  copy_condition(real(), latent_, stacked_.slice_rows(batch(), batch()));
}

void GanStep::update_discriminator(std::int64_t t, int inner, bool report) {
  const Network& network = networks_.discriminator();
  const StackView<const float> weights = parameter(Role::discriminator);
  const std::int64_t rows = batch();
  const RandomKey noise = key(RandomPurpose::dropout,
                              discriminator_noise_lane + dropout_lanes_per_pass * static_cast<std::uint32_t>(inner), t);
  networks_.generator().forward(context_, parameter(Role::generator), {.x = latent_, .z = {}},
                                discriminator_generator_buffers_,
                                networks_.generator().has_dropout() ? &noise : nullptr);
  if (options_.fence > 0.0f) {
    run(context_, FenceRows{.real = real(),
                            .key = key(RandomPurpose::fence, static_cast<std::uint32_t>(inner), t),
                            .out = stacked_.slice_rows(2 * rows, rows)});
  }
  const bool dropout = options_.dropout > 0.0f;
  const RandomKey drop =
      key(RandomPurpose::dropout,
          discriminator_dropout_lane + dropout_lanes_per_pass * static_cast<std::uint32_t>(inner), t);
  const Network::Input in{.x = stacked_, .z = {}};
  network.forward(context_, weights, in, discriminator_buffers_, dropout ? &drop : nullptr);

  judge_rows(report);
  network.backward(context_, weights, in, discriminator_buffers_, discriminator_gradient_, {}, {.dropout = dropout});
  if (is_penalised(t)) {
    const float scale = options_.r1 * static_cast<float>(options_.r1_every) / static_cast<float>(rows);
    network.add_gradient_penalty(context_, weights, discriminator_buffers_.slice_rows(0, rows),
                                 {.x = input_gradient_, .z = {}}, tangent_buffers_,
                                 {.scale = scale, .dropout = dropout}, discriminator_gradient_);
  }
  if (penalises_critic()) penalise_between(t, inner);
  update(Role::discriminator, discriminator_gradient_, options_.discriminator_learning_rate, t,
         options_.discriminator_steps, inner, report ? telemetry_.discriminator_norm : StackView<float>{});
}

/// The loss of real, generated and fence rows whose logits stand in discriminator_buffers_, and its gradient.
void GanStep::judge_rows(bool report) {
  const std::int64_t rows = batch();
  const float fake_share = 1.0f / (1.0f + options_.fence);
  const bool critic = options_.generator_loss == GeneratorLoss::wasserstein;
  const auto loss = [&](int part, float target, float weight, bool accumulate, StackView<float> value,
                        StackView<float> probability) {
    const StackView<float> logit = discriminator_buffers_.result().slice_rows(part * rows, rows);
    const StackView<float> gradient = discriminator_buffers_.result_gradient().slice_rows(part * rows, rows);
    if (!critic || report) {
      run(context_, SigmoidCrossEntropy{.logit = logit,
                                        .target = target,
                                        .weight = weight,
                                        .dlogit = gradient,
                                        .per_row = {},
                                        .loss = report && !critic ? value : StackView<float>{},
                                        .mean_probability = report ? probability : StackView<float>{},
                                        .accumulate = accumulate});
    }
    if (!critic) return;
    run(context_, LinearLoss{.logit = logit,
                             .weight = target > 0.0f ? -weight : weight,
                             .dlogit = gradient,
                             .loss = report ? value : StackView<float>{},
                             .accumulate = accumulate});
  };
  loss(0, critic ? 1.0f : 1.0f - options_.label_smoothing, 1.0f, false, telemetry_.real_loss,
       telemetry_.real_probability);
  loss(1, 0.0f, fake_share, false, telemetry_.fake_loss, telemetry_.fake_probability);
  if (options_.fence > 0.0f) loss(2, 0.0f, options_.fence * fake_share, true, telemetry_.fake_loss, {});
}

/// Gulrajani 2017, Algorithm 1: the critic's gradient has norm 1 on rows between real and generated ones.
void GanStep::penalise_between(std::int64_t t, int inner) {
  const Network& network = networks_.discriminator();
  const auto draw = static_cast<std::uint32_t>(inner);
  const bool dropout = options_.dropout > 0.0f;
  const RandomKey drop = key(RandomPurpose::dropout, between_dropout_lane + dropout_lanes_per_pass * draw, t);
  run(context_, InterpolateRows{.a = real(),
                                .b = stacked_.slice_rows(batch(), batch()),
                                .key = key(RandomPurpose::latent, between_lane + draw, t),
                                .out = between_});
  network.forward(context_, parameter(Role::discriminator), {.x = between_, .z = {}}, between_buffers_,
                  dropout ? &drop : nullptr);
  const float scale = options_.gradient_penalty / static_cast<float>(batch());
  network.add_gradient_penalty(context_, parameter(Role::discriminator), between_buffers_,
                               {.x = input_gradient_, .z = {}}, tangent_buffers_,
                               {.scale = scale, .target = 1.0f, .dropout = dropout}, discriminator_gradient_);
}

void GanStep::sample_generator(std::int64_t t) {
  if (networks_.latent > 0) {
    run(context_, FillNormal{.out = generator_latent(), .key = key(RandomPurpose::latent, generator_latent_lane, t)});
  }
  copy_condition(real(), generator_latent_, generated_rows_);
}

/// D's view of the generated rows, and what it asks of them: the gradient of the generator's loss with respect to the
/// rows.
void GanStep::judge_generated(std::int64_t t, bool report) {
  const Network& judge = networks_.discriminator();
  const StackView<const float> weights = parameter(Role::discriminator);
  const std::int64_t rows = batch();
  const Network::Buffers judged = discriminator_buffers_.slice_rows(0, rows);
  const bool dropout = options_.dropout > 0.0f;
  const RandomKey drop = key(RandomPurpose::dropout, generator_dropout_lane, t);
  const Network::Input shown{.x = generated_rows_.slice_rows(0, rows), .z = {}};
  judge.forward(context_, weights, shown, judged, dropout ? &drop : nullptr);
  const StackView<float> loss = report ? telemetry_.generator_loss : StackView<float>{};
  const float weight = options_.adversarial;
  Mlp::BackwardOptions how{.dropout = dropout};
  switch (options_.generator_loss) {
    case GeneratorLoss::feature_matching: {
      const Network::Buffers of_real = discriminator_buffers_.slice_rows(rows, rows);
      const RandomKey drop_real = key(RandomPurpose::dropout, real_features_dropout_lane, t);
      judge.forward(context_, weights, {.x = real(), .z = {}}, of_real, dropout ? &drop_real : nullptr);
      run(context_, FeatureMatching{.real = of_real.features(),
                                    .generated = judged.features(),
                                    .weight = weight,
                                    .dgenerated = judged.features_gradient(),
                                    .loss = loss});
      how.skipped = 1;
      break;
    }
    case GeneratorLoss::wasserstein:
      run(context_,
          LinearLoss{.logit = judged.result(), .weight = -weight, .dlogit = judged.result_gradient(), .loss = loss});
      break;
    default: {
      // Minimax: mean log(1 - sigmoid(l)) = -CE(l, 0); non-saturating: CE(l, 1).
      const bool minimax = options_.generator_loss == GeneratorLoss::minimax;
      run(context_, SigmoidCrossEntropy{.logit = judged.result(),
                                        .target = minimax ? 0.0f : 1.0f,
                                        .weight = minimax ? -weight : weight,
                                        .dlogit = judged.result_gradient(),
                                        .per_row = {},
                                        .loss = loss,
                                        .mean_probability = {}});
    }
  }
  judge.backward(context_, weights, shown, judged, {}, {.x = generated_gradient_.slice_rows(0, rows), .z = {}}, how);
}

void GanStep::update_generator(std::int64_t t, bool report) {
  const Network& generator = networks_.generator();
  const std::int64_t rows = batch();
  const Network::Input latent{.x = generator_latent_, .z = {}};
  const bool noisy = generator.has_dropout();
  const RandomKey noise = key(RandomPurpose::dropout, generator_noise_lane, t);
  generator.forward(context_, parameter(Role::generator), latent, generator_buffers_, noisy ? &noise : nullptr);
  judge_generated(t, report);
  if (generated_rows_.rows > rows) {
    run(context_, FillUniform{.out = generated_gradient_.slice_rows(rows, generated_rows_.rows - rows),
                              .key = {},
                              .low = 0.0f,
                              .high = 0.0f});
  }
  if (options_.coverage > 0.0f) {
    run(context_, Coverage{.generated = generated_rows_,
                           .real = real(),
                           .weight = options_.coverage,
                           .dgenerated = generated_gradient_,
                           .loss = {}});
  }
  add_generator_terms(t, report);
  generator.backward(context_, parameter(Role::generator), latent, generator_buffers_, generator_gradient_, {},
                     {.dropout = noisy});
  add_generator_gradients(t, report);
  update(Role::generator, generator_gradient_, options_.learning_rate, t, 1, 0,
         report ? telemetry_.generator_norm : StackView<float>{});
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
