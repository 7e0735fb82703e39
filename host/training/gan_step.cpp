#include "host/training/gan_step.hpp"

#include <algorithm>
#include <utility>

namespace cugad {
namespace {

// Lanes of RandomPurpose::latent and ::dropout. Inner discriminator updates take consecutive lanes.
constexpr std::uint32_t generator_latent_lane = 0, discriminator_latent_lane = 64;
constexpr std::uint32_t generator_dropout_lane = 0, discriminator_dropout_lane = 1024;
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
  if (options.r1 > 0.0f) take(tangent_buffers_, "tangents", networks.discriminator(), batch());
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
  run(context_, FillNormal{.out = discriminator_latent(),
                           .key = key(RandomPurpose::latent, discriminator_latent_lane + draw, t)});
  copy_condition(real(), latent_, stacked_.slice_rows(batch(), batch()));
}

void GanStep::update_discriminator(std::int64_t t, int inner, bool report) {
  const Network& network = networks_.discriminator();
  const StackView<const float> weights = parameter(Role::discriminator);
  const std::int64_t rows = batch();
  networks_.generator().forward(context_, parameter(Role::generator), {.x = latent_, .z = {}},
                                discriminator_generator_buffers_);
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

  network.backward(context_, weights, in, discriminator_buffers_, discriminator_gradient_, {}, {.dropout = dropout});
  if (is_penalised(t)) {
    const float scale = options_.r1 * static_cast<float>(options_.r1_every) / static_cast<float>(rows);
    network.add_gradient_penalty(context_, weights, discriminator_buffers_.slice_rows(0, rows),
                                 {.x = input_gradient_, .z = {}}, tangent_buffers_,
                                 {.scale = scale, .dropout = dropout}, discriminator_gradient_);
  }
  update(Role::discriminator, discriminator_gradient_, options_.discriminator_learning_rate, t,
         options_.discriminator_steps, inner, report ? telemetry_.discriminator_norm : StackView<float>{});
}

void GanStep::sample_generator(std::int64_t t) {
  run(context_, FillNormal{.out = generator_latent(), .key = key(RandomPurpose::latent, generator_latent_lane, t)});
  copy_condition(real(), generator_latent_, generated_rows_);
}

void GanStep::update_generator(std::int64_t t, bool report) {
  const Network &generator = networks_.generator(), &judge = networks_.discriminator();
  const std::int64_t rows = batch();
  const Network::Input latent{.x = generator_latent_, .z = {}};
  generator.forward(context_, parameter(Role::generator), latent, generator_buffers_);
  const Network::Buffers judged = discriminator_buffers_.slice_rows(0, rows);
  const bool dropout = options_.dropout > 0.0f;
  const RandomKey drop = key(RandomPurpose::dropout, generator_dropout_lane, t);
  const Network::Input shown{.x = generated_rows_.slice_rows(0, rows), .z = {}};
  judge.forward(context_, parameter(Role::discriminator), shown, judged, dropout ? &drop : nullptr);
  // Minimax: mean log(1 - sigmoid(l)) = -CE(l, 0); non-saturating: CE(l, 1).
  const bool minimax = options_.generator_loss == GeneratorLoss::minimax;
  run(context_, SigmoidCrossEntropy{.logit = judged.result(),
                                    .target = minimax ? 0.0f : 1.0f,
                                    .weight = minimax ? -1.0f : 1.0f,
                                    .dlogit = judged.result_gradient(),
                                    .per_row = {},
                                    .loss = report ? telemetry_.generator_loss : StackView<float>{},
                                    .mean_probability = {}});
  judge.backward(context_, parameter(Role::discriminator), shown, judged, {},
                 {.x = generated_gradient_.slice_rows(0, rows), .z = {}}, {.dropout = dropout});
  if (options_.coverage > 0.0f) {
    if (generated_rows_.rows > rows) {
      run(context_, FillUniform{.out = generated_gradient_.slice_rows(rows, generated_rows_.rows - rows),
                                .key = {},
                                .low = 0.0f,
                                .high = 0.0f});
    }
    run(context_, Coverage{.generated = generated_rows_,
                           .real = real(),
                           .weight = options_.coverage,
                           .dgenerated = generated_gradient_,
                           .loss = {}});
  }
  add_generator_terms(t, report);
  generator.backward(context_, parameter(Role::generator), latent, generator_buffers_, generator_gradient_, {}, {});
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
