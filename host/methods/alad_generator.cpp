#include "host/backend/elementwise.hpp"
#include "host/methods/alad.hpp"

/// ALAD's step of G and E.
namespace cugad {

/// D's view of (x, E(x)), which E wants it to take for generated, and of (G(z), z), which G wants it to take for real.
void AladStep::steer_by_joint(std::int64_t t, bool report) {
  const Network::Input in = joint_pairs();
  const std::int64_t rows = batch();
  forward_pass(Role::discriminator, in, joint_buffers_, dropout_lanes(Role::discriminator).generator, t);
  fool_or_match(joint_buffers_, 0, rows, 0.0f, {});
  fool_or_match(joint_buffers_, rows, 0, 1.0f, when(report, telemetry_.generator_loss));
  backward_pass(Role::discriminator, in, joint_buffers_, {},
                {.x = rows_gradient_.slice_rows(0, 2 * rows), .z = latents_gradient_},
                {.dropout = networks_.discriminator().has_dropout(), .skipped = matches_features() ? 1 : 0});
}

/// The view of D(x, x') of (x, G(E(x))), or of D(z, z') of (z, E(G(z))). The real pairs move neither G nor E.
void AladStep::steer_by_cycle(Role role, std::int64_t t, bool report) {
  const bool of_data = role == Role::cycle_discriminator;
  const std::int64_t rows = batch();
  const Network::Buffers buffers = buffers_of(role)->slice_rows(rows, rows);
  const Network::Input in{.x = (of_data ? data_pairs_ : latent_pairs_).slice_rows(rows, rows)};
  forward_pass(role, in, buffers, dropout_lanes(role).generator, t);
  fool(buffers, 0, 1.0f, when(report, telemetry_.generator_loss), true);
  backward_pass(role, in, buffers, {}, {.x = of_data ? data_pair_gradient_ : latent_pair_gradient_},
                {.dropout = networks_[role].has_dropout()});
}

/// Adds the two terms without a discriminator to the gradients of G(E(x)) and E(G(z)).
void AladStep::add_reconstruction() {
  const std::int64_t rows = batch();
  const int columns = networks_.columns, whole = networks_.row_columns(), latent = networks_.latent;
  const auto compare = [&](StackView<const float> a, StackView<const float> b, Distance metric, float weight,
                           StackView<float> gradient) {
    if (weight <= 0.0f) return;
    DifferenceLoss args;
    args.a = a;
    args.b = b;
    args.metric = metric;
    args.weight = weight;
    args.db = gradient;
    args.accumulate = true;
    run(context_, args);
  };
  const StackView<float> data = data_pairs_.slice_rows(rows, rows), latents = latent_pairs_.slice_rows(rows, rows);
  compare(data.slice_columns(0, columns), data.slice_columns(whole, columns), Distance::l1, options_.reconstruction,
          data_pair_gradient_.slice_columns(whole, columns));
  compare(latents.slice_columns(0, latent), latents.slice_columns(latent, latent), Distance::squared,
          options_.latent_cycle, encoder_buffers_.result_gradient().slice_rows(rows, rows));
}

/// From the gradients of G(z), G(E(x)), E(x) and E(G(z)) to those of the parameters.
void AladStep::backward_generator_and_encoder() {
  const std::int64_t rows = batch();
  // E(x) has gradients from D(x, z) and through G(E(x)).
  backward_pass(Role::generator, {.x = latents_.slice_rows(0, rows)}, rebuilt_buffers_, gradient(Role::generator),
                {.x = generator_input_gradient_});
  const StackView<float> encoded = encoder_buffers_.result_gradient().slice_rows(0, rows);
  copy(context_, latents_gradient_.slice_rows(0, rows), encoded);
  add(context_, generator_input_gradient_.slice_columns(0, networks_.latent), encoded);
  backward_pass(Role::encoder, {.x = rows_stack_.slice_rows(0, 2 * rows)}, encoder_buffers_, gradient(Role::encoder),
                {.x = encoder_input_gradient_});
  // G(z) has gradients from D(x, z) and through E(G(z)).
  add(context_, encoder_input_gradient_.slice_rows(rows, rows), rows_gradient_.slice_rows(rows, rows));
  backward_pass(Role::generator, {.x = latents_.slice_rows(rows, generated_rows())}, generator_buffers_,
                gradient(Role::generator), {}, {.accumulate = true});
}

void AladStep::update_generator(std::int64_t t, bool report) {
  const std::int64_t rows = batch(), generated = generated_rows();
  infer(generated);
  steer_by_joint(t, report);
  steer_by_cycle(Role::cycle_discriminator, t, report);
  const StackView<float> cycled = encoder_buffers_.result_gradient().slice_rows(rows, rows);
  if (options_.latent_discriminator) {
    steer_by_cycle(Role::latent_discriminator, t, report);
    copy(context_, latent_pair_gradient_.slice_columns(networks_.latent, networks_.latent), cycled);
  } else {
    fill(context_, cycled, 0.0f);
  }
  add_reconstruction();
  cover(rows_stack_.slice_rows(rows, generated), real(), rows_gradient_.slice_rows(rows, generated));
  backward_generator_and_encoder();
  update(Role::generator, gradient(Role::generator), options_.learning_rate, t, 1, 0,
         when(report, telemetry_.generator_norm));
  update(Role::encoder, gradient(Role::encoder), options_.encoder_learning_rate, t, 1, 0, {});
}

}  // namespace cugad
