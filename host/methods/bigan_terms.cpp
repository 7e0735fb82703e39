#include "host/backend/elementwise.hpp"
#include "host/methods/bigan.hpp"

/// The terms of the loss of a bidirectional GAN's generator and encoder. Each adds to the gradients of the generated
/// rows (generated_gradient_), of E's outputs (trained_.encoder) or of the parameters.
namespace cugad {
namespace {

constexpr std::uint32_t generator_dropout_lane = 0;

}  // namespace

/// D's view of both kinds of pairs; begins the gradients of the generated rows and of E's outputs.
void BiganStep::add_adversarial_terms(std::int64_t t, bool report) {
  const std::int64_t rows = batch();
  const Network::Buffers buffers = discriminator_buffers_.slice_rows(0, 2 * rows);
  forward_pass(Role::discriminator,
               {.x = trained_.rows.slice_rows(0, 2 * rows),
                .z = trained_.latents.slice_rows(0, 2 * rows).slice_columns(0, latent())},
               buffers, generator_dropout_lane, t);
  fool_or_match(buffers, rows, 0, 1.0f, when(report, telemetry_.generator_loss));
  fool_or_match(buffers, 0, rows, 0.0f, when(report, encoder_loss_));
  // Each network needs the gradient of one member of its pairs only.
  const Mlp::BackwardOptions how{.dropout = networks_.discriminator().has_dropout(),
                                 .skipped = matches_features() ? 1 : 0};
  backward_pass(Role::discriminator, {}, buffers.slice_rows(rows, rows), {},
                {.x = generated_gradient_.slice_rows(0, rows)}, how);
  const StackView<float> latents =
      has_gaussian_encoder() ? latent_gradient_.slice_columns(0, latent()) : trained_.encoder.result_gradient();
  backward_pass(Role::discriminator, {}, buffers.slice_rows(0, rows), {}, {.z = latents}, how);
  if (has_gaussian_encoder()) backward_sample(trained_.encoder, trained_.encoder_noise, latents);
}

/// The mean |x - G(E(x))|, of the means if they are Gaussian. Begins G's gradient, adds to that of E's outputs.
void BiganStep::add_reconstruction() {
  const StackView<float> in = trained_.latents.slice_rows(0, batch());  // with the conditions of x
  // A Gaussian E's latents are samples: its means replace them.
  if (has_gaussian_encoder()) {
    copy(context_, trained_.encoder.result().slice_columns(0, latent()), in.slice_columns(0, latent()));
  }
  forward_pass(Role::generator, {.x = in}, rebuilt_buffers_);
  const StackView<float> gradient = rebuilt_buffers_.result_gradient();
  if (has_gaussian_generator()) fill(context_, gradient, 0.0f);
  DifferenceLoss residual;
  residual.a = generator_real().slice_columns(0, columns());
  residual.b = rebuilt_buffers_.result().slice_columns(0, columns());
  residual.weight = options_.reconstruction;
  residual.db = gradient.slice_columns(0, columns());
  run(context_, residual);
  backward_pass(Role::generator, {.x = in}, rebuilt_buffers_, generator_gradient_, {.x = latent_gradient_});
  add(context_, latent_gradient_.slice_columns(0, latent()),
      trained_.encoder.result_gradient().slice_columns(0, latent()));
}

/// The mean (E(G(z)) - z)^2. Adds to E's gradient, which must be there, and to that of the generated rows.
void BiganStep::add_latent_cycle() {
  const std::int64_t rows = batch();
  const Network::Input in{.x = trained_.rows.slice_rows(rows, rows)};
  forward_pass(Role::encoder, in, cycle_buffers_);
  const StackView<float> gradient = cycle_buffers_.result_gradient();
  if (has_gaussian_encoder()) fill(context_, gradient, 0.0f);
  DifferenceLoss cycle;
  cycle.a = cycle_buffers_.result().slice_columns(0, latent());
  cycle.b = prior(trained_).slice_rows(0, rows);
  cycle.metric = Distance::squared;
  cycle.weight = options_.latent_cycle;
  cycle.da = gradient.slice_columns(0, latent());
  run(context_, cycle);
  backward_pass(Role::encoder, in, cycle_buffers_, encoder_gradient_, {.x = row_gradient_}, {.accumulate = true});
  add(context_, row_gradient_, generated_gradient_.slice_rows(0, rows));
}

}  // namespace cugad
