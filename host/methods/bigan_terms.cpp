#include "host/methods/bigan.hpp"

/// The terms of the loss of a bidirectional GAN's generator and encoder. Each adds to the gradients of the generated
/// rows (generated_gradient_), of E's outputs (trained_.encoder) or of the parameters.
namespace cugad {
namespace {

constexpr std::uint32_t generator_dropout_lane = 0;

}  // namespace

/// What D says of both kinds of pairs; begins the gradients of the generated rows and of E's outputs.
void BiganStep::add_adversarial_terms(std::int64_t t, bool report) {
  const Network& judge = networks_.discriminator();
  const StackView<const float> weights = parameter(Role::discriminator);
  const std::int64_t rows = batch();
  const Network::Buffers buffers = discriminator_buffers_.slice_rows(0, 2 * rows);
  const Network::Buffers encoded = buffers.slice_rows(0, rows), generated = buffers.slice_rows(rows, rows);
  const bool dropout = options_.dropout > 0.0f;
  const RandomKey drop = key(RandomPurpose::dropout, generator_dropout_lane, t);
  const Network::Input shown{.x = trained_.rows.slice_rows(0, 2 * rows),
                             .z = trained_.latents.slice_rows(0, 2 * rows).slice_columns(0, latent())};
  judge.forward(context_, weights, shown, buffers, dropout ? &drop : nullptr);

  const StackView<float> generator_loss = report ? telemetry_.generator_loss : StackView<float>{};
  const StackView<float> encoder_loss = report ? encoder_loss_ : StackView<float>{};
  const bool by_features = options_.generator_loss == GeneratorLoss::feature_matching;
  if (by_features) {
    const auto match = [&](const Network::Buffers& real, const Network::Buffers& mine, StackView<float> loss) {
      run(context_, FeatureMatching{.real = real.features(),
                                    .generated = mine.features(),
                                    .weight = options_.adversarial,
                                    .dgenerated = mine.features_gradient(),
                                    .loss = loss});
    };
    match(encoded, generated, generator_loss);
    match(generated, encoded, encoder_loss);
  } else {
    // Minimax: both descend D's own objective, mean -CE(l_g, 0) and -CE(l_e, 1); non-saturating: with flipped labels.
    const bool minimax = options_.generator_loss == GeneratorLoss::minimax;
    const auto fool = [&](const Network::Buffers& mine, float flipped_label, StackView<float> loss) {
      run(context_, SigmoidCrossEntropy{.logit = mine.result(),
                                        .target = minimax ? 1.0f - flipped_label : flipped_label,
                                        .weight = minimax ? -options_.adversarial : options_.adversarial,
                                        .dlogit = mine.result_gradient(),
                                        .per_row = {},
                                        .loss = loss,
                                        .mean_probability = {}});
    };
    fool(generated, 1.0f, generator_loss);
    fool(encoded, 0.0f, encoder_loss);
  }
  // Each network needs the gradient of one member of its pairs only.
  const Mlp::BackwardOptions how{.dropout = dropout, .skipped = by_features ? 1 : 0};
  judge.backward(context_, weights, {}, generated, {}, {.x = generated_gradient_.slice_rows(0, rows), .z = {}}, how);
  const StackView<float> statistics = trained_.encoder.result_gradient();
  const StackView<float> latents = has_gaussian_encoder() ? latent_gradient_.slice_columns(0, latent()) : statistics;
  judge.backward(context_, weights, {}, encoded, {}, {.x = {}, .z = latents}, how);
  if (has_gaussian_encoder()) {
    run(context_, Reparameterise{.statistics = trained_.encoder.result(),
                                 .noise = trained_.encoder_noise,
                                 .z = {},
                                 .dz = latents,
                                 .dstatistics = statistics});
  }
}

void BiganStep::add_coverage() {
  const std::int64_t rows = batch(), generated = generated_gradient_.rows;
  if (generated > rows) {
    run(context_,
        FillUniform{
            .out = generated_gradient_.slice_rows(rows, generated - rows), .key = {}, .low = 0.0f, .high = 0.0f});
  }
  run(context_, Coverage{.generated = generated_rows(trained_),
                         .real = generator_real(),
                         .weight = options_.coverage,
                         .dgenerated = generated_gradient_,
                         .loss = {}});
}

/// The mean |x - G(E(x))|, of the means where they are Gaussian. Begins G's gradient, adds to that of E's outputs.
void BiganStep::add_reconstruction() {
  const Network& generator = networks_.generator();
  const std::int64_t rows = batch();
  // G reads what E says of x with the condition of x. A Gaussian E's latents are samples: its means stand apart.
  StackView<float> in = trained_.latents.slice_rows(0, rows);
  if (has_gaussian_encoder()) {
    const StackView<const float> means = trained_.encoder.result().slice_columns(0, latent());
    run(context_, FillMissing{.x = means, .replacement = means, .out = in.slice_columns(0, latent())});
  }
  generator.forward(context_, parameter(Role::generator), {.x = in, .z = {}}, rebuilt_buffers_);
  const StackView<float> gradient = rebuilt_buffers_.result_gradient();
  if (has_gaussian_generator()) {
    run(context_, FillUniform{.out = gradient, .key = {}, .low = 0.0f, .high = 0.0f});
  }
  run(context_, DifferenceLoss{.a = generator_real().slice_columns(0, columns()),
                               .b = rebuilt_buffers_.result().slice_columns(0, columns()),
                               .metric = Distance::l1,
                               .weight = options_.reconstruction,
                               .da = {},
                               .db = gradient.slice_columns(0, columns()),
                               .accumulate = false,
                               .loss = {}});
  generator.backward(context_, parameter(Role::generator), {.x = in, .z = {}}, rebuilt_buffers_, generator_gradient_,
                     {.x = latent_gradient_, .z = {}}, {});
  run(context_, AddRows{.x = latent_gradient_.slice_columns(0, latent()),
                        .scale = 1.0f,
                        .y = trained_.encoder.result_gradient().slice_columns(0, latent())});
}

/// The mean (E(G(z)) - z)^2. Adds to E's gradient, which must be there, and to that of the generated rows.
void BiganStep::add_latent_cycle() {
  const Network& encoder = networks_.encoder();
  const std::int64_t rows = batch();
  const Network::Input in{.x = trained_.rows.slice_rows(rows, rows), .z = {}};
  encoder.forward(context_, parameter(Role::encoder), in, cycle_buffers_);
  const StackView<float> gradient = cycle_buffers_.result_gradient();
  if (has_gaussian_encoder()) {
    run(context_, FillUniform{.out = gradient, .key = {}, .low = 0.0f, .high = 0.0f});
  }
  run(context_, DifferenceLoss{.a = cycle_buffers_.result().slice_columns(0, latent()),
                               .b = prior(trained_).slice_rows(0, rows),
                               .metric = Distance::squared,
                               .weight = options_.latent_cycle,
                               .da = gradient.slice_columns(0, latent()),
                               .db = {},
                               .accumulate = false,
                               .loss = {}});
  encoder.backward(context_, parameter(Role::encoder), in, cycle_buffers_, encoder_gradient_,
                   {.x = row_gradient_, .z = {}}, {.accumulate = true});
  run(context_, AddRows{.x = row_gradient_, .scale = 1.0f, .y = generated_gradient_.slice_rows(0, rows)});
}

}  // namespace cugad
