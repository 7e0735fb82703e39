#include "host/methods/ganomaly.hpp"

#include <utility>

#include "host/methods/gan_networks.hpp"
#include "host/training/gan_step.hpp"

namespace cugad {
namespace {

MethodNetworks ganomaly_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  MethodNetworks networks = gan_networks(options, columns, condition);
  networks[Role::encoder] = encoder_network(options, static_cast<int>(columns), networks.latent);
  networks[Role::second_encoder] = networks[Role::encoder];
  return networks;
}

}  // namespace

extern constinit const MethodDefinition ganomaly_definition{
    .method = Method::ganomaly,
    .name = "ganomaly",
    .networks = ganomaly_networks,
    .step = make_step<GanomalyStep>,
    .scores = {ScoreRule::latent, ScoreRule::reconstruction, ScoreRule::search, ScoreRule::discriminator},
    .options = {"latent_cycle", "contextual", "virtual_batch"},
    .has_prior = false,
    .has_encoder = true,
    .matches_features = [](const DetectorOptions&) { return true; },
};

GanomalyStep::GanomalyStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                           const TrainingRows& rows, std::int64_t models)
    : TrainingStep(std::move(context), options, networks, rows, models) {
  const int columns = networks.row_columns(), latent = networks.generator().inputs();
  const Network &encoder = networks.encoder(), &second_encoder = networks[Role::second_encoder];
  take(index_, "minibatch rows", batch(), 1);
  take(stacked_, "real rows and their reconstructions", 2 * batch(), columns);
  take(rebuilt_gradient_, "gradient of the reconstructions", batch(), columns);
  take(input_gradient_, "gradient of one network's input", batch(), columns);
  take(latent_, "latents", batch(), latent);
  take(latent_gradient_, "gradient of the latents", batch(), latent);
  take(losses_, "losses of the generator", 1, 3);
  take(encoder_gradient_, "encoder gradient", 1, encoder.parameters());
  take(generator_gradient_, "generator gradient", 1, networks.generator().parameters());
  take(second_encoder_gradient_, "second encoder gradient", 1, second_encoder.parameters());
  take(discriminator_gradient_, "discriminator gradient", 1, networks.discriminator().parameters());
  take(encoder_buffers_, "encoder activations", encoder, batch());
  take(generator_buffers_, "generator activations", networks.generator(), batch());
  take(second_encoder_buffers_, "second encoder activations", second_encoder, batch());
  take(discriminator_buffers_, "discriminator activations", networks.discriminator(), 2 * batch());
  if (options.r1 > 0.0f) take(tangent_buffers_, "tangents", networks.discriminator(), batch());
  GanomalyStep::connect();
}

/// E's last layer writes straight into G's input, G's into the rows that D and E' see; gradients likewise.
void GanomalyStep::connect() {
  encoder_buffers_.trunk().output.back() = latent();
  encoder_buffers_.trunk().gradient.back() = latent_gradient_.slice_columns(0, networks_.latent);
  generator_buffers_.trunk().output.back() = rebuilt().slice_columns(0, networks_.columns);
  generator_buffers_.trunk().gradient.back() = rebuilt_gradient_.slice_columns(0, networks_.columns);
}

void GanomalyStep::add_rows(StackView<const float> from, StackView<float> to) {
  run(context_, AddRows{.x = from, .scale = 1.0f, .y = to});
}

/// Reconstructions have the conditions of their rows.
void GanomalyStep::copy_condition() {
  if (networks_.condition == 0) return;
  const StackView<const float> given = real().slice_columns(networks_.columns, networks_.condition);
  for (const StackView<float>& out : {latent_.slice_columns(networks_.latent, networks_.condition),
                                      rebuilt().slice_columns(networks_.columns, networks_.condition)}) {
    run(context_, FillMissing{.x = given, .replacement = given, .out = out});
  }
}

void GanomalyStep::sample(std::int64_t t) {
  sample_rows(index_, 0, t, 1, 0);
  gather(index_, 0, real());
}

void GanomalyStep::forward(std::int64_t t) {
  copy_condition();
  networks_.encoder().forward(context_, parameter(Role::encoder), {.x = real(), .z = {}}, encoder_buffers_);
  networks_.generator().forward(context_, parameter(Role::generator), {.x = latent_, .z = {}}, generator_buffers_);
  networks_[Role::second_encoder].forward(context_, parameter(Role::second_encoder), {.x = rebuilt(), .z = {}},
                                          second_encoder_buffers_);
  const RandomKey drop = key(RandomPurpose::dropout, 0, t);
  networks_.discriminator().forward(context_, parameter(Role::discriminator), {.x = stacked_, .z = {}},
                                    discriminator_buffers_, options_.dropout > 0.0f ? &drop : nullptr);
}

void GanomalyStep::update_generator(std::int64_t t, bool report) {
  const Network& judge = networks_.discriminator();
  const Network::Buffers of_real = discriminator_buffers_.slice_rows(0, batch());
  const Network::Buffers of_rebuilt = discriminator_buffers_.slice_rows(batch(), batch());
  const auto told = [&](int i) { return report ? losses_.slice_columns(i, 1) : StackView<float>{}; };
  // D's features, down to x'.
  DifferenceLoss adversarial;
  adversarial.a = of_real.features();
  adversarial.b = of_rebuilt.features();
  adversarial.metric = Distance::squared;
  adversarial.weight = options_.adversarial;
  adversarial.db = of_rebuilt.features_gradient();
  adversarial.loss = told(0);
  run(context_, adversarial);
  judge.backward(context_, parameter(Role::discriminator), {.x = rebuilt(), .z = {}}, of_rebuilt, {},
                 {.x = rebuilt_gradient_, .z = {}}, {.dropout = options_.dropout > 0.0f, .skipped = 1});
  // z', down to x'.
  DifferenceLoss cycle;
  cycle.a = latent();
  cycle.b = second_latent();
  cycle.metric = Distance::squared;
  cycle.weight = options_.latent_cycle;
  cycle.db = second_encoder_buffers_.result_gradient();
  cycle.loss = told(2);
  run(context_, cycle);
  networks_[Role::second_encoder].backward(context_, parameter(Role::second_encoder), {.x = rebuilt(), .z = {}},
                                           second_encoder_buffers_, second_encoder_gradient_,
                                           {.x = input_gradient_, .z = {}}, {});
  add_rows(input_gradient_, rebuilt_gradient_);
  DifferenceLoss contextual;
  contextual.a = generator_buffers_.result();
  contextual.b = real().slice_columns(0, networks_.columns);
  contextual.weight = options_.contextual;
  contextual.da = generator_buffers_.result_gradient();
  contextual.accumulate = true;
  contextual.loss = told(1);
  run(context_, contextual);
  networks_.generator().backward(context_, parameter(Role::generator), {.x = latent_, .z = {}}, generator_buffers_,
                                 generator_gradient_, {.x = latent_gradient_, .z = {}}, {});
  // z itself is compared, too.
  cycle.da = encoder_buffers_.result_gradient();
  cycle.db = {};
  cycle.loss = {};
  cycle.accumulate = true;
  run(context_, cycle);
  networks_.encoder().backward(context_, parameter(Role::encoder), {.x = real(), .z = {}}, encoder_buffers_,
                               encoder_gradient_, {}, {});
  const float rate = options_.learning_rate;
  update(Role::encoder, encoder_gradient_, rate, t, 1, 0, {});
  update(Role::generator, generator_gradient_, rate, t, 1, 0, report ? telemetry_.generator_norm : StackView<float>{});
  update(Role::second_encoder, second_encoder_gradient_, rate, t, 1, 0, {});
  if (!report) return;
  run(context_, FillUniform{.out = telemetry_.generator_loss, .key = {}, .low = 0.0f, .high = 0.0f});
  for (int i = 0; i < 3; ++i) add_rows(losses_.slice_columns(i, 1), telemetry_.generator_loss);
}

void GanomalyStep::update_discriminator(std::int64_t t, bool report) {
  const Network& network = networks_.discriminator();
  const std::int64_t rows = batch();
  const bool dropout = options_.dropout > 0.0f;
  const auto loss = [&](std::int64_t first, float target, StackView<float> value, StackView<float> probability) {
    run(context_, SigmoidCrossEntropy{.logit = discriminator_buffers_.result().slice_rows(first, rows),
                                      .target = target,
                                      .weight = 0.5f,
                                      .dlogit = discriminator_buffers_.result_gradient().slice_rows(first, rows),
                                      .per_row = {},
                                      .loss = report ? value : StackView<float>{},
                                      .mean_probability = report ? probability : StackView<float>{}});
  };
  loss(0, 1.0f - options_.label_smoothing, telemetry_.real_loss, telemetry_.real_probability);
  loss(rows, 0.0f, telemetry_.fake_loss, telemetry_.fake_probability);
  network.backward(context_, parameter(Role::discriminator), {.x = stacked_, .z = {}}, discriminator_buffers_,
                   discriminator_gradient_, {}, {.dropout = dropout});
  if (is_penalised(t)) {
    const float scale = options_.r1 * static_cast<float>(options_.r1_every) / static_cast<float>(rows);
    network.add_gradient_penalty(context_, parameter(Role::discriminator), discriminator_buffers_.slice_rows(0, rows),
                                 {.x = input_gradient_, .z = {}}, tangent_buffers_,
                                 {.scale = scale, .dropout = dropout}, discriminator_gradient_);
  }
  update(Role::discriminator, discriminator_gradient_, options_.discriminator_learning_rate, t, 1, 0,
         report ? telemetry_.discriminator_norm : StackView<float>{});
}

void GanomalyStep::step(std::int64_t t, bool report) {
  sample(t);
  forward(t);
  update_generator(t, report);
  update_discriminator(t, report);
}

}  // namespace cugad
