#include "host/methods/ganomaly.hpp"

#include <utility>

#include "host/backend/elementwise.hpp"
#include "host/methods/gan_networks.hpp"

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
    .takes_images = true,
    .matches_features = [](const DetectorOptions&) { return true; },
};

GanomalyStep::GanomalyStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                           const TrainingRows& rows, std::int64_t models)
    : AdversarialStep(std::move(context), options, networks, rows, models) {
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

void GanomalyStep::sample(std::int64_t t) {
  sample_rows(index_, 0, t, 1, 0);
  gather(index_, 0, real());
}

void GanomalyStep::forward(std::int64_t t) {
  copy_condition(real(), latent_, networks_.latent);
  copy_condition(real(), rebuilt(), networks_.columns);
  forward_pass(Role::encoder, {.x = real()}, encoder_buffers_);
  forward_pass(Role::generator, {.x = latent_}, generator_buffers_);
  forward_pass(Role::second_encoder, {.x = rebuilt()}, second_encoder_buffers_);
  forward_pass(Role::discriminator, {.x = stacked_}, discriminator_buffers_, 0, t);
}

void GanomalyStep::update_generator(std::int64_t t, bool report) {
  const Network::Buffers of_rebuilt = discriminator_buffers_.slice_rows(batch(), batch());
  const auto loss = [&](int i) { return when(report, losses_.slice_columns(i, 1)); };
  // D's features, down to x'.
  DifferenceLoss adversarial;
  adversarial.a = discriminator_buffers_.slice_rows(0, batch()).features();
  adversarial.b = of_rebuilt.features();
  adversarial.metric = Distance::squared;
  adversarial.weight = options_.adversarial;
  adversarial.db = of_rebuilt.features_gradient();
  adversarial.loss = loss(0);
  run(context_, adversarial);
  backward_pass(Role::discriminator, {.x = rebuilt()}, of_rebuilt, {}, {.x = rebuilt_gradient_},
                {.dropout = networks_.discriminator().has_dropout(), .skipped = 1});
  // z', down to x'.
  DifferenceLoss cycle;
  cycle.a = latent();
  cycle.b = second_latent();
  cycle.metric = Distance::squared;
  cycle.weight = options_.latent_cycle;
  cycle.db = second_encoder_buffers_.result_gradient();
  cycle.loss = loss(2);
  run(context_, cycle);
  backward_pass(Role::second_encoder, {.x = rebuilt()}, second_encoder_buffers_, second_encoder_gradient_,
                {.x = input_gradient_});
  add(context_, input_gradient_, rebuilt_gradient_);
  DifferenceLoss contextual;
  contextual.a = generator_buffers_.result();
  contextual.b = real().slice_columns(0, networks_.columns);
  contextual.weight = options_.contextual;
  contextual.da = generator_buffers_.result_gradient();
  contextual.accumulate = true;
  contextual.loss = loss(1);
  run(context_, contextual);
  backward_pass(Role::generator, {.x = latent_}, generator_buffers_, generator_gradient_, {.x = latent_gradient_});
  // z itself is compared, too.
  cycle.da = encoder_buffers_.result_gradient();
  cycle.db = {};
  cycle.loss = {};
  cycle.accumulate = true;
  run(context_, cycle);
  backward_pass(Role::encoder, {.x = real()}, encoder_buffers_, encoder_gradient_, {});
  const float rate = options_.learning_rate;
  update(Role::encoder, encoder_gradient_, rate, t, 1, 0, {});
  update(Role::generator, generator_gradient_, rate, t, 1, 0, when(report, telemetry_.generator_norm));
  update(Role::second_encoder, second_encoder_gradient_, rate, t, 1, 0, {});
  if (!report) return;
  fill(context_, telemetry_.generator_loss, 0.0f);
  for (int i = 0; i < 3; ++i) add(context_, losses_.slice_columns(i, 1), telemetry_.generator_loss);
}

void GanomalyStep::update_discriminator(std::int64_t t, bool report) {
  const std::int64_t rows = batch();
  judge(discriminator_buffers_, 0, 1.0f - options_.label_smoothing, 0.5f, when(report, telemetry_.real_loss),
        when(report, telemetry_.real_probability));
  judge(discriminator_buffers_, rows, 0.0f, 0.5f, when(report, telemetry_.fake_loss),
        when(report, telemetry_.fake_probability));
  backward_pass(Role::discriminator, {.x = stacked_}, discriminator_buffers_, discriminator_gradient_, {},
                {.dropout = networks_.discriminator().has_dropout()});
  if (is_penalised(t)) {
    penalise({.x = real()}, discriminator_buffers_.slice_rows(0, rows), {.x = input_gradient_}, tangent_buffers_,
             discriminator_gradient_);
  }
  update(Role::discriminator, discriminator_gradient_, options_.discriminator_learning_rate, t, 1, 0,
         when(report, telemetry_.discriminator_norm));
}

void GanomalyStep::step(std::int64_t t, bool report) {
  sample(t);
  forward(t);
  update_generator(t, report);
  update_discriminator(t, report);
}

}  // namespace cugad
