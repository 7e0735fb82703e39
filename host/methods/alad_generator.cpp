#include "host/methods/alad.hpp"

/// ALAD's step of G and E.
namespace cugad {

/// What D(x, z) says of (x, E(x)), where E wants it to be wrong, and of (G(z), z), where G does.
void AladStep::steer_by_joint(std::int64_t t, bool report) {
  const Network& network = networks_.discriminator();
  const Network::Input in = joint_pairs();
  const std::int64_t rows = batch();
  forward(Role::discriminator, in, joint_buffers_,
          key(RandomPurpose::dropout, dropout_lanes(Role::discriminator).generator, t));
  const StackView<float> loss = report ? telemetry_.generator_loss : StackView<float>{};
  const bool by_features = options_.generator_loss == GeneratorLoss::feature_matching;
  if (by_features) {
    const auto half = [&](StackView<float> view, int which) { return view.slice_rows(which * rows, rows); };
    for (int which : {0, 1}) {  // one loss, whose gradient goes to both halves
      run(context_, FeatureMatching{.real = half(joint_buffers_.features(), 1 - which),
                                    .generated = half(joint_buffers_.features(), which),
                                    .weight = options_.adversarial,
                                    .dgenerated = half(joint_buffers_.features_gradient(), which),
                                    .loss = loss});
    }
  } else {
    const bool minimax = options_.generator_loss == GeneratorLoss::minimax;
    const float weight = minimax ? -options_.adversarial : options_.adversarial;
    judge(joint_buffers_, 0, minimax ? 1.0f : 0.0f, weight, {}, {}, false);
    judge(joint_buffers_, rows, minimax ? 0.0f : 1.0f, weight, loss, {}, false);
  }
  network.backward(context_, parameter(Role::discriminator), in, joint_buffers_, {},
                   {.x = rows_gradient_.slice_rows(0, 2 * rows), .z = latents_gradient_},
                   {.dropout = network.has_dropout(), .skipped = by_features ? 1 : 0});
}

/// What D(x, x') says of (x, G(E(x))), or D(z, z') of (z, E(G(z))). The real pairs move neither G nor E.
void AladStep::steer_by_cycle(Role role, std::int64_t t, bool report) {
  const bool of_data = role == Role::cycle_discriminator;
  const Network& network = networks_[role];
  const std::int64_t rows = batch();
  const Network::Buffers buffers = buffers_of(role)->slice_rows(rows, rows);
  const Network::Input in{.x = (of_data ? data_pairs_ : latent_pairs_).slice_rows(rows, rows), .z = {}};
  forward(role, in, buffers, key(RandomPurpose::dropout, dropout_lanes(role).generator, t));
  const bool minimax = options_.generator_loss == GeneratorLoss::minimax;
  judge(buffers, 0, minimax ? 0.0f : 1.0f, minimax ? -options_.adversarial : options_.adversarial,
        report ? telemetry_.generator_loss : StackView<float>{}, {}, true);
  network.backward(context_, parameter(role), in, buffers, {},
                   {.x = of_data ? data_pair_gradient_ : latent_pair_gradient_, .z = {}},
                   {.dropout = network.has_dropout()});
}

/// Adds the two terms that compare without a discriminator, into the gradients of G(E(x)) and E(G(z)).
void AladStep::add_reconstruction() {
  const std::int64_t rows = batch();
  const int columns = networks_.columns, whole = networks_.row_columns(), latent = networks_.latent;
  const StackView<float> data = data_pairs_.slice_rows(rows, rows), latents = latent_pairs_.slice_rows(rows, rows);
  if (options_.reconstruction > 0.0f) {
    run(context_, DifferenceLoss{.a = data.slice_columns(0, columns),
                                 .b = data.slice_columns(whole, columns),
                                 .metric = Distance::l1,
                                 .weight = options_.reconstruction,
                                 .da = {},
                                 .db = data_pair_gradient_.slice_columns(whole, columns),
                                 .accumulate = true,
                                 .loss = {}});
  }
  if (options_.latent_cycle > 0.0f) {
    run(context_, DifferenceLoss{.a = latents.slice_columns(0, latent),
                                 .b = latents.slice_columns(latent, latent),
                                 .metric = Distance::squared,
                                 .weight = options_.latent_cycle,
                                 .da = {},
                                 .db = encoder_buffers_.result_gradient().slice_rows(rows, rows),
                                 .accumulate = true,
                                 .loss = {}});
  }
}

/// Adds the coverage term to the gradient of the generated rows, of which the discriminator sees a batch.
void AladStep::cover() {
  const std::int64_t rows = batch(), generated = generated_rows();
  const StackView<float> gradient = rows_gradient_.slice_rows(rows, generated);
  if (generated > rows) {
    run(context_,
        FillUniform{.out = gradient.slice_rows(rows, generated - rows), .key = {}, .low = 0.0f, .high = 0.0f});
  }
  if (options_.coverage > 0.0f) {
    run(context_, Coverage{.generated = rows_stack_.slice_rows(rows, generated),
                           .real = real(),
                           .weight = options_.coverage,
                           .dgenerated = gradient,
                           .loss = {}});
  }
}

/// From the gradients of G(z), G(E(x)), E(x) and E(G(z)) to those of the parameters.
void AladStep::backward_generator_and_encoder() {
  const std::int64_t rows = batch(), generated = generated_rows();
  const Network &generator = networks_.generator(), &encoder = networks_.encoder();
  // G(E(x)) tells E how to change E(x), besides D(x, z).
  generator.backward(context_, parameter(Role::generator), {.x = latents_.slice_rows(0, rows), .z = {}},
                     rebuilt_buffers_, gradient(Role::generator), {.x = generator_input_gradient_, .z = {}}, {});
  const StackView<float> encoded = encoder_buffers_.result_gradient().slice_rows(0, rows);
  copy(latents_gradient_.slice_rows(0, rows), encoded);
  run(context_,
      AddRows{.x = generator_input_gradient_.slice_columns(0, networks_.latent), .scale = 1.0f, .y = encoded});
  encoder.backward(context_, parameter(Role::encoder), {.x = rows_stack_.slice_rows(0, 2 * rows), .z = {}},
                   encoder_buffers_, gradient(Role::encoder), {.x = encoder_input_gradient_, .z = {}}, {});
  // E(G(z)) tells G how to change G(z), besides D(x, z).
  run(context_, AddRows{.x = encoder_input_gradient_.slice_rows(rows, rows),
                        .scale = 1.0f,
                        .y = rows_gradient_.slice_rows(rows, rows)});
  generator.backward(context_, parameter(Role::generator), {.x = latents_.slice_rows(rows, generated), .z = {}},
                     generator_buffers_, gradient(Role::generator), {}, {.accumulate = true});
}

void AladStep::update_generator(std::int64_t t, bool report) {
  const std::int64_t rows = batch();
  infer(generated_rows());
  steer_by_joint(t, report);
  steer_by_cycle(Role::cycle_discriminator, t, report);
  const StackView<float> cycled = encoder_buffers_.result_gradient().slice_rows(rows, rows);
  if (options_.latent_discriminator) {
    steer_by_cycle(Role::latent_discriminator, t, report);
    copy(latent_pair_gradient_.slice_columns(networks_.latent, networks_.latent), cycled);
  } else {
    run(context_, FillUniform{.out = cycled, .key = {}, .low = 0.0f, .high = 0.0f});
  }
  add_reconstruction();
  cover();
  backward_generator_and_encoder();
  update(Role::generator, gradient(Role::generator), options_.learning_rate, t, 1, 0,
         report ? telemetry_.generator_norm : StackView<float>{});
  update(Role::encoder, gradient(Role::encoder), options_.encoder_learning_rate, t, 1, 0, {});
}

}  // namespace cugad
