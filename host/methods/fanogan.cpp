#include "host/methods/fanogan.hpp"

#include <utility>

#include "host/methods/gan_networks.hpp"

namespace cugad {
namespace {

constexpr std::uint32_t encoder_minibatch_lane = 1;

MethodNetworks fanogan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  MethodNetworks networks = gan_networks(options, columns, condition);
  networks[Role::encoder] = encoder_network(options, static_cast<int>(columns), networks.latent);
  return networks;
}

std::int64_t fanogan_steps(const DetectorOptions& options) {
  if (options.encoder_training == EncoderTraining::joint) return options.steps;
  return options.steps + (options.encoder_steps > 0 ? options.encoder_steps : options.steps);
}

}  // namespace

extern constinit const MethodDefinition fanogan_definition{
    .method = Method::fanogan,
    .name = "fanogan",
    .networks = fanogan_networks,
    .step = make_step<FanoganStep>,
    .scores = encoder_scores,
    .options = {"generator_loss", "discriminator_steps", "negatives", "generator_dropout", "virtual_batch", "coverage",
                "coverage_rows", "encoder_learning_rate", "reconstruction", "latent_cycle", "judged_pair",
                "encoder_training", "encoder_steps", "kappa"},
    .steps = fanogan_steps,
    .has_encoder = true,
    .stops_by_coverage = true,
    .scores_means = true,
    .matches_features = [](const DetectorOptions& o) { return o.encoder_training == EncoderTraining::izi_f; },
};

FanoganStep::FanoganStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                         const TrainingRows& rows, std::int64_t models)
    : GanStep(std::move(context), options, networks, rows, models) {
  take(encoder_gradient_, "encoder gradient", 1, networks.encoder().parameters());
  take(latent_gradient_, "gradient of the latents", batch(), networks.generator().inputs());
  take(feature_loss_, "loss of the features", 1, 1);
  take(encoder_buffers_, "encoder activations", networks.encoder(), batch());
  FanoganStep::connect();
}

/// E's last layer writes straight into the input of the pass that rebuilds rows, whose gradient comes back to it.
void FanoganStep::connect() {
  GanStep::connect();
  encoder_buffers_.trunk().output.back() = discriminator_latent();
  encoder_buffers_.trunk().gradient.back() = latent_gradient_.slice_columns(0, networks_.latent);
}

void FanoganStep::encoder_backward(StackView<const float> x, StackView<float> dx, bool accumulate) {
  networks_.encoder().backward(context_, parameter(Role::encoder), {.x = x, .z = {}}, encoder_buffers_,
                               encoder_gradient_, {.x = dx, .z = {}}, {.accumulate = accumulate});
}

/// G(E(x)) of the minibatch, into the rows that the discriminator's step made before.
void FanoganStep::rebuild(StackView<const float> encoder, StackView<const float> generator) {
  networks_.encoder().forward(context_, encoder, {.x = real(), .z = {}}, encoder_buffers_);
  copy_condition(real(), latent_, rebuilt());
  networks_.generator().forward(context_, generator, {.x = latent_, .z = {}}, rebuilding());
}

/// Joint training, the latent cycle: mean (z - E(G(z)))^2, for E and, through the generated rows, for G.
void FanoganStep::add_generator_terms(std::int64_t, bool) {
  if (!is_joint()) return;
  const StackView<float> shown = generated_rows_.slice_rows(0, batch());
  networks_.encoder().forward(context_, parameter(Role::encoder), {.x = shown, .z = {}}, encoder_buffers_);
  DifferenceLoss cycle;
  cycle.a = encoder_buffers_.result();
  cycle.b = generator_latent().slice_rows(0, batch());
  cycle.metric = Distance::squared;
  cycle.weight = options_.latent_cycle;
  cycle.da = encoder_buffers_.result_gradient();
  run(context_, cycle);
  encoder_backward(shown, input_gradient_, false);
  run(context_, AddRows{.x = input_gradient_, .scale = 1.0f, .y = generated_gradient_.slice_rows(0, batch())});
}

/// Joint training, the reconstruction: mean |x - G(E(x))|, for G and E; then E's update, by the weights that the loss
/// saw.
void FanoganStep::add_generator_gradients(std::int64_t t, bool) {
  if (!is_joint()) return;
  const StackView<const float> weights = parameter(Role::generator);
  rebuild(parameter(Role::encoder), weights);
  DifferenceLoss residual;
  residual.a = rebuilding().result();
  residual.b = real().slice_columns(0, networks_.columns);
  residual.weight = options_.reconstruction;
  residual.da = rebuilding().result_gradient();
  run(context_, residual);
  networks_.generator().backward(context_, weights, {.x = latent_, .z = {}}, rebuilding(), generator_gradient_,
                                 {.x = latent_gradient_, .z = {}}, {.accumulate = true});
  encoder_backward(real(), {}, true);
  update(Role::encoder, encoder_gradient_, options_.encoder_learning_rate, t, 1, 0, {});
}

void FanoganStep::sample_encoder(std::int64_t t) {
  sample_rows(index_, encoder_minibatch_lane, t, 1, 0);
  gather(index_, 0, real());
  sample_generator(t);
}

/// ziz: mean (z - E(G(z)))^2.
void FanoganStep::pull_through_latent(bool report) {
  const StackView<float> shown = generated_rows_.slice_rows(0, batch());
  networks_.generator().forward(context_, state(Role::generator).scoring(),
                                {.x = generator_latent_.slice_rows(0, batch()), .z = {}},
                                generator_buffers_.slice_rows(0, batch()));
  networks_.encoder().forward(context_, parameter(Role::encoder), {.x = shown, .z = {}}, encoder_buffers_);
  DifferenceLoss cycle;
  cycle.a = encoder_buffers_.result();
  cycle.b = generator_latent().slice_rows(0, batch());
  cycle.metric = Distance::squared;
  cycle.da = encoder_buffers_.result_gradient();
  if (report) cycle.loss = telemetry_.generator_loss;
  run(context_, cycle);
  encoder_backward(shown, {}, false);
}

/// izi: mean (x - G(E(x)))^2; izi_f: and kappa times mean (f(x) - f(G(E(x))))^2.
void FanoganStep::pull_through_data(bool report) {
  const StackView<const float> weights = state(Role::generator).scoring();
  rebuild(parameter(Role::encoder), weights);
  DifferenceLoss residual;
  residual.a = rebuilding().result();
  residual.b = real().slice_columns(0, networks_.columns);
  residual.metric = Distance::squared;
  residual.da = rebuilding().result_gradient();
  if (report) residual.loss = telemetry_.generator_loss;
  run(context_, residual);
  if (options_.encoder_training == EncoderTraining::izi_f) {
    add_feature_residual();
    if (report) run(context_, AddRows{.x = feature_loss_, .scale = 1.0f, .y = telemetry_.generator_loss});
  }
  networks_.generator().backward(context_, weights, {.x = latent_, .z = {}}, rebuilding(), {},
                                 {.x = latent_gradient_, .z = {}}, {});
  encoder_backward(real(), {}, false);
}

/// Adds to the gradient of the rebuilt rows what D's features ask of them.
void FanoganStep::add_feature_residual() {
  const Network& judge = networks_.discriminator();
  const StackView<const float> weights = state(Role::discriminator).scoring();
  const StackView<const float> both = stacked_.slice_rows(0, 2 * batch());
  judge.forward(context_, weights, {.x = both, .z = {}}, discriminator_buffers_.slice_rows(0, 2 * batch()));
  const Network::Buffers of_rebuilt = discriminator_buffers_.slice_rows(batch(), batch());
  DifferenceLoss features;
  features.a = of_rebuilt.features();
  features.b = discriminator_buffers_.slice_rows(0, batch()).features();
  features.metric = Distance::squared;
  features.weight = options_.kappa;
  features.da = of_rebuilt.features_gradient();
  features.loss = feature_loss_;
  run(context_, features);
  judge.backward(context_, weights, {.x = rebuilt(), .z = {}}, of_rebuilt, {}, {.x = input_gradient_, .z = {}},
                 {.skipped = 1});
  run(context_, AddRows{.x = input_gradient_.slice_columns(0, networks_.columns),
                        .scale = 1.0f,
                        .y = rebuilding().result_gradient()});
}

/// What is told of D is 0 now. The spread of generated rows is that of G as it scores.
void FanoganStep::report_second_phase() {
  for (const StackView<float>& value : {telemetry_.real_loss, telemetry_.fake_loss, telemetry_.real_probability,
                                        telemetry_.fake_probability, telemetry_.discriminator_norm}) {
    run(context_, FillUniform{.out = value, .key = {}, .low = 0.0f, .high = 0.0f});
  }
  networks_.generator().forward(context_, state(Role::generator).scoring(), {.x = generator_latent_, .z = {}},
                                generator_buffers_);
}

void FanoganStep::update_encoder(std::int64_t t, bool report) {
  if (options_.encoder_training == EncoderTraining::ziz) {
    pull_through_latent(report);
  } else {
    pull_through_data(report);
  }
  update(Role::encoder, encoder_gradient_, options_.encoder_learning_rate, t, 1, -options_.steps,
         report ? telemetry_.generator_norm : StackView<float>{}, false);
  if (report) report_second_phase();
}

void FanoganStep::step(std::int64_t t, bool report) {
  if (!trains_encoder_alone(t)) return GanStep::step(t, report);
  sample_encoder(t);
  update_encoder(t, report);
}

}  // namespace cugad
