#include "host/training/gan_step.hpp"

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
    : AdversarialStep(std::move(context), options, networks, rows, models) {
  const std::int64_t parts = options.fence > 0.0f ? 3 : 2;
  const std::int64_t generated = generator_batch();
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

void GanStep::copy_conditions(StackView<float> latent, StackView<float> generated) {
  copy_condition(real(), latent, networks_.latent);
  copy_condition(real(), generated, networks_.columns);
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
  copy_conditions(latent_, stacked_.slice_rows(batch(), batch()));
}

void GanStep::update_discriminator(std::int64_t t, int inner, bool report) {
  const std::int64_t rows = batch();
  const auto draw = static_cast<std::uint32_t>(inner);
  forward_pass(Role::generator, {.x = latent_}, discriminator_generator_buffers_,
               discriminator_noise_lane + dropout_lanes_per_pass * draw, t);
  if (options_.fence > 0.0f) {
    FenceRows negatives;
    negatives.real = real();
    negatives.key = key(RandomPurpose::fence, draw, t);
    negatives.out = stacked_.slice_rows(2 * rows, rows);
    run(context_, negatives);
  }
  forward_pass(Role::discriminator, {.x = stacked_}, discriminator_buffers_,
               discriminator_dropout_lane + dropout_lanes_per_pass * draw, t);
  judge_stack(discriminator_buffers_, rows, 2 * rows, report);
  backward_pass(Role::discriminator, {.x = stacked_}, discriminator_buffers_, discriminator_gradient_, {},
                {.dropout = networks_.discriminator().has_dropout()});
  if (is_penalised(t)) {
    penalise({.x = real()}, discriminator_buffers_.slice_rows(0, rows), {.x = input_gradient_}, tangent_buffers_,
             discriminator_gradient_);
  }
  if (penalises_critic()) penalise_between(t, inner);
  update(Role::discriminator, discriminator_gradient_, options_.discriminator_learning_rate, t,
         options_.discriminator_steps, inner, when(report, telemetry_.discriminator_norm));
}

/// Gulrajani 2017, Algorithm 1: the critic's gradient has norm 1 on rows between real and generated ones.
void GanStep::penalise_between(std::int64_t t, int inner) {
  const Network& network = networks_.discriminator();
  const auto draw = static_cast<std::uint32_t>(inner);
  run(context_, InterpolateRows{.a = real(),
                                .b = stacked_.slice_rows(batch(), batch()),
                                .key = key(RandomPurpose::latent, between_lane + draw, t),
                                .out = between_});
  forward_pass(Role::discriminator, {.x = between_}, between_buffers_,
               between_dropout_lane + dropout_lanes_per_pass * draw, t);
  const float scale = options_.gradient_penalty / static_cast<float>(batch());
  network.add_gradient_penalty(
      context_, parameter(Role::discriminator), {.x = between_}, between_buffers_, {.x = input_gradient_},
      tangent_buffers_, {.scale = scale, .target = 1.0f, .dropout = network.has_dropout()}, discriminator_gradient_);
}

void GanStep::sample_generator(std::int64_t t) {
  if (networks_.latent > 0) {
    run(context_, FillNormal{.out = generator_latent(), .key = key(RandomPurpose::latent, generator_latent_lane, t)});
  }
  copy_conditions(generator_latent_, generated_rows_);
}

/// The gradient of the generator's loss with respect to the rows that D sees.
void GanStep::fool_discriminator(std::int64_t t, bool report) {
  const std::int64_t rows = batch();
  const Network::Buffers judged = discriminator_buffers_.slice_rows(0, rows);
  const Network::Input in{.x = generated_rows_.slice_rows(0, rows)};
  forward_pass(Role::discriminator, in, judged, generator_dropout_lane, t);
  if (matches_features()) {
    forward_pass(Role::discriminator, {.x = real()}, discriminator_buffers_.slice_rows(rows, rows),
                 real_features_dropout_lane, t);
  }
  fool_or_match(discriminator_buffers_, 0, rows, 1.0f, when(report, telemetry_.generator_loss));
  backward_pass(Role::discriminator, in, judged, {}, {.x = generated_gradient_.slice_rows(0, rows)},
                {.dropout = networks_.discriminator().has_dropout(), .skipped = matches_features() ? 1 : 0});
}

void GanStep::update_generator(std::int64_t t, bool report) {
  const Network::Input latent{.x = generator_latent_};
  forward_pass(Role::generator, latent, generator_buffers_, generator_noise_lane, t);
  fool_discriminator(t, report);
  cover(generated_rows_, real(), generated_gradient_);
  add_generator_terms(t, report);
  backward_pass(Role::generator, latent, generator_buffers_, generator_gradient_, {},
                {.dropout = networks_.generator().has_dropout()});
  add_generator_gradients(t, report);
  update(Role::generator, generator_gradient_, options_.learning_rate, t, 1, 0,
         when(report, telemetry_.generator_norm));
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
