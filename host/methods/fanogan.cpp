#include "host/methods/fanogan.hpp"

#include <utility>

#include "host/backend/elementwise.hpp"
#include "host/backend/transfer.hpp"
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
    .takes_images = true,
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
  if (!is_joint()) {
    take_frozen(generator_, "frozen generator");
    take_frozen(judge_, "frozen discriminator");
  }
  FanoganStep::connect();
}

void FanoganStep::take_frozen(Frozen& frozen, const char* name) {
  const Network& network = networks_[frozen.role];
  if (!network.has_moving_statistics()) return;
  frozen.plain = network.plain();
  take(frozen.folded, name, 1, frozen.plain.parameters());
}

void FanoganStep::freeze() {
  for (const Frozen* frozen : {&generator_, &judge_}) {
    if (!frozen->folded) continue;
    const StackView<const float> trained = state(frozen->role).scoring();
    for (std::int64_t m = 0; m < models(); ++m) {
      const std::vector<float> plain =
          networks_[frozen->role].fold(download(context_, trained.model(m).data, trained.columns));
      context_.backend().copy(frozen->folded.model(m).data, plain.data(), sizeof(float) * plain.size(),
                              context_.stream());
      context_.synchronize();
    }
  }
}

/// E's last layer writes straight into the input of the pass that rebuilds rows, whose gradient comes back to it.
void FanoganStep::connect() {
  GanStep::connect();
  encoder_buffers_.trunk().output.back() = discriminator_latent();
  encoder_buffers_.trunk().gradient.back() = latent_gradient_.slice_columns(0, networks_.latent);
}

void FanoganStep::encoder_backward(StackView<const float> x, StackView<float> dx, bool accumulate) {
  backward_pass(Role::encoder, {.x = x}, encoder_buffers_, encoder_gradient_, {.x = dx}, {.accumulate = accumulate});
}

/// G(E(x)) of the minibatch, into the rows that the discriminator's step made before.
void FanoganStep::rebuild(const Network& generator, StackView<const float> weights) {
  forward_pass(Role::encoder, {.x = real()}, encoder_buffers_);
  copy_conditions(latent_, rebuilt());
  generator.forward(context_, weights, {.x = latent_}, rebuilding());
}

/// weight * mean (z - E(G(z)))^2 of the generated rows: the gradient of E's outputs.
void FanoganStep::add_latent_cycle(float weight, StackView<float> loss) {
  forward_pass(Role::encoder, {.x = generated_rows_.slice_rows(0, batch())}, encoder_buffers_);
  DifferenceLoss cycle;
  cycle.a = encoder_buffers_.result();
  cycle.b = generator_latent().slice_rows(0, batch());
  cycle.metric = Distance::squared;
  cycle.weight = weight;
  cycle.da = encoder_buffers_.result_gradient();
  cycle.loss = loss;
  run(context_, cycle);
}

/// weight * mean |x - G(E(x))| or (x - G(E(x)))^2 of the rebuilt rows: their gradient.
void FanoganStep::add_residual(Distance metric, float weight, StackView<float> loss) {
  DifferenceLoss residual;
  residual.a = rebuilding().result();
  residual.b = real().slice_columns(0, networks_.columns);
  residual.metric = metric;
  residual.weight = weight;
  residual.da = rebuilding().result_gradient();
  residual.loss = loss;
  run(context_, residual);
}

/// Joint training, the latent cycle: for E and, through the generated rows, for G.
void FanoganStep::add_generator_terms(std::int64_t, bool) {
  if (!is_joint()) return;
  add_latent_cycle(options_.latent_cycle, {});
  encoder_backward(generated_rows_.slice_rows(0, batch()), input_gradient_, false);
  add(context_, input_gradient_, generated_gradient_.slice_rows(0, batch()));
}

/// Joint training, the reconstruction, for G and E; then E's update, by the weights that the loss saw.
void FanoganStep::add_generator_gradients(std::int64_t t, bool) {
  if (!is_joint()) return;
  rebuild(networks_.generator(), parameter(Role::generator));
  add_residual(Distance::l1, options_.reconstruction, {});
  backward_pass(Role::generator, {.x = latent_}, rebuilding(), generator_gradient_, {.x = latent_gradient_},
                {.accumulate = true});
  encoder_backward(real(), {}, true);
  update(Role::encoder, encoder_gradient_, options_.encoder_learning_rate, t, 1, 0, {});
}

void FanoganStep::sample_encoder(std::int64_t t) {
  sample_rows(index_, encoder_minibatch_lane, t, 1, 0);
  gather(index_, 0, real());
  sample_generator(t);
}

/// ziz: the latent cycle alone.
void FanoganStep::pull_through_latent(bool report) {
  network_of(generator_)
      .forward(context_, weights_of(generator_), {.x = generator_latent_.slice_rows(0, batch())},
               generator_buffers_.slice_rows(0, batch()));
  add_latent_cycle(1.0f, when(report, telemetry_.generator_loss));
  encoder_backward(generated_rows_.slice_rows(0, batch()), {}, false);
}

/// izi: the squared reconstruction; izi_f: and kappa times mean (f(x) - f(G(E(x))))^2.
void FanoganStep::pull_through_data(bool report) {
  const Network& generator = network_of(generator_);
  const StackView<const float> weights = weights_of(generator_);
  rebuild(generator, weights);
  add_residual(Distance::squared, 1.0f, when(report, telemetry_.generator_loss));
  if (options_.encoder_training == EncoderTraining::izi_f) {
    add_feature_residual();
    if (report) add(context_, feature_loss_, telemetry_.generator_loss);
  }
  generator.backward(context_, weights, {.x = latent_}, rebuilding(), {}, {.x = latent_gradient_}, {});
  encoder_backward(real(), {}, false);
}

/// Adds the gradient of the features' loss to that of the rebuilt rows.
void FanoganStep::add_feature_residual() {
  const Network& judge = network_of(judge_);
  const StackView<const float> weights = weights_of(judge_);
  const Network::Buffers both = discriminator_buffers_.slice_rows(0, 2 * batch());
  judge.forward(context_, weights, {.x = stacked_.slice_rows(0, 2 * batch())}, both);
  const Network::Buffers of_rebuilt = both.slice_rows(batch(), batch());
  DifferenceLoss features;
  features.a = of_rebuilt.features();
  features.b = both.features().slice_rows(0, batch());
  features.metric = Distance::squared;
  features.weight = options_.kappa;
  features.da = of_rebuilt.features_gradient();
  features.loss = feature_loss_;
  run(context_, features);
  judge.backward(context_, weights, {.x = rebuilt()}, of_rebuilt, {}, {.x = input_gradient_}, {.skipped = 1});
  add(context_, input_gradient_.slice_columns(0, networks_.columns), rebuilding().result_gradient());
}

/// Reports 0 for D, which is at rest. The spread of generated rows is that of G as it scores.
void FanoganStep::report_second_phase() {
  for (const StackView<float>& value : {telemetry_.real_loss, telemetry_.fake_loss, telemetry_.real_probability,
                                        telemetry_.fake_probability, telemetry_.discriminator_norm}) {
    fill(context_, value, 0.0f);
  }
  network_of(generator_).forward(context_, weights_of(generator_), {.x = generator_latent_}, generator_buffers_);
}

void FanoganStep::update_encoder(std::int64_t t, bool report) {
  if (options_.encoder_training == EncoderTraining::ziz) {
    pull_through_latent(report);
  } else {
    pull_through_data(report);
  }
  update(Role::encoder, encoder_gradient_, options_.encoder_learning_rate, t, 1, -options_.steps,
         when(report, telemetry_.generator_norm), false);
  if (report) report_second_phase();
}

void FanoganStep::step(std::int64_t t, bool report) {
  if (!trains_encoder_alone(t)) return GanStep::step(t, report);
  sample_encoder(t);
  update_encoder(t, report);
}

}  // namespace cugad
