#include "host/methods/bigan.hpp"

#include <utility>

namespace cugad {
namespace {

// Lanes of RandomPurpose::minibatch, ::latent and ::dropout. Inner discriminator updates take consecutive lanes.
constexpr std::uint32_t discriminator_rows_lane = 0, generator_rows_lane = 1;
constexpr std::uint32_t generator_latent_lane = 0, discriminator_latent_lane = 64;
constexpr std::uint32_t generator_noise_lane = 128, discriminator_noise_lane = 256, noise_lanes_per_pass = 2;
constexpr std::uint32_t discriminator_dropout_lane = 1024;
constexpr std::uint32_t dropout_lanes_per_pass = 16;

}  // namespace

MethodNetworks bidirectional_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition,
                                      int outputs_of_generator, int outputs_of_encoder) {
  MethodNetworks networks;
  networks.columns = static_cast<int>(columns - condition);
  networks.condition = static_cast<int>(condition);
  networks.latent = options.latent;
  networks[Role::generator] =
      generator_network(options, options.latent + networks.condition, outputs_of_generator * networks.columns);
  networks[Role::encoder] = encoder_network(options, static_cast<int>(columns), outputs_of_encoder * options.latent);
  networks[Role::discriminator] = joint_discriminator_network(options, static_cast<int>(columns), options.latent);
  return networks;
}

MethodNetworks bigan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  return bidirectional_networks(options, columns, condition, 1, 1);
}

extern constinit const MethodDefinition bigan_definition =
    bidirectional_definition(Method::bigan, "bigan", bigan_networks);

BiganStep::BiganStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                     const TrainingRows& rows, std::int64_t models)
    : AdversarialStep(std::move(context), options, networks, rows, models) {
  const std::int64_t generated = generator_batch();
  const std::int64_t encoded = has_fence() ? 2 * batch() : batch();
  take(index_, "minibatch rows", batch(), 1);
  take_pairs(judged_, encoded, batch());
  take_pairs(trained_, batch(), generated);
  take(generated_gradient_, "gradient of the generated rows", generated, networks.row_columns());
  take(row_gradient_, "gradient of rows", batch(), networks.row_columns());
  take(latent_gradient_, "gradient of latents", batch(), networks.generator().inputs());
  take(generator_gradient_, "generator gradient", 1, networks.generator().parameters());
  take(encoder_gradient_, "encoder gradient", 1, networks.encoder().parameters());
  take(discriminator_gradient_, "discriminator gradient", 1, networks.discriminator().parameters());
  take(encoder_loss_, "encoder loss", 1, 1);
  take(discriminator_buffers_, "discriminator activations", networks.discriminator(), encoded + batch());
  if (options.r1 > 0.0f) take(tangent_buffers_, "tangents", networks.discriminator(), batch());
  if (options.reconstruction > 0.0f) take(rebuilt_buffers_, "activations of G(E(x))", networks.generator(), batch());
  if (options.latent_cycle > 0.0f) take(cycle_buffers_, "activations of E(G(z))", networks.encoder(), batch());
  BiganStep::connect();
}

void BiganStep::take_pairs(Pairs& pairs, std::int64_t encoded, std::int64_t generated) {
  pairs.encoded = encoded;
  take(pairs.rows, "rows of pairs", encoded + generated, networks_.row_columns());
  take(pairs.latents, "latents of pairs", encoded + generated, networks_.generator().inputs());
  if (has_gaussian_encoder()) take(pairs.encoder_noise, "noise of the encoder", encoded, latent());
  if (has_gaussian_generator()) take(pairs.generator_noise, "noise of the generator", generated, columns());
  take(pairs.encoder, "encoder activations", networks_.encoder(), encoded);
  take(pairs.generator, "generator activations", networks_.generator(), generated);
}

void BiganStep::connect() {
  connect(judged_);
  connect(trained_);
  if (!has_gaussian_generator()) {
    trained_.generator.trunk().gradient.back() = generated_gradient_.slice_columns(0, columns());
  }
}

/// The last layers write straight into the pairs.
void BiganStep::connect(Pairs& pairs) {
  if (!has_gaussian_encoder()) {
    pairs.encoder.trunk().output.back() = pairs.latents.slice_rows(0, pairs.encoded).slice_columns(0, latent());
  }
  if (!has_gaussian_generator()) {
    pairs.generator.trunk().output.back() = generated_rows(pairs).slice_columns(0, columns());
  }
}

/// E(x) keeps the condition of its row, generated rows have those of real ones, in turn.
void BiganStep::copy_conditions(const Pairs& pairs) {
  const StackView<float> real = pairs.rows.slice_rows(0, batch());
  copy_condition(real, pairs.latents.slice_rows(0, batch()), latent());
  copy_condition(real, generated_rows(pairs), columns());
  copy_condition(real, pairs.latents.slice_rows(pairs.encoded, pairs.latents.rows - pairs.encoded), latent());
}

/// Draws the latents and the noise of the pairs.
void BiganStep::draw(const Pairs& pairs, std::uint32_t lane, std::uint32_t noise_lane, std::int64_t t) {
  const auto normal = [&](StackView<float> out, std::uint32_t of) {
    run(context_, FillNormal{.out = out, .key = key(RandomPurpose::latent, of, t)});
  };
  normal(prior(pairs), lane);
  if (has_gaussian_encoder()) normal(pairs.encoder_noise, noise_lane);
  if (has_gaussian_generator()) normal(pairs.generator_noise, noise_lane + 1);
  copy_conditions(pairs);
}

/// E(x) and G(z).
void BiganStep::make(const Pairs& pairs) {
  const auto sample = [&](StackView<const float> statistics, StackView<const float> noise, StackView<float> out) {
    Reparameterise args;
    args.statistics = statistics;
    args.noise = noise;
    args.z = out;
    run(context_, args);
  };
  const std::int64_t generated = pairs.rows.rows - pairs.encoded;
  const StackView<float> latents = pairs.latents.slice_rows(0, pairs.encoded).slice_columns(0, latent());
  forward_pass(Role::encoder, {.x = pairs.rows.slice_rows(0, pairs.encoded)}, pairs.encoder);
  if (has_gaussian_encoder()) sample(pairs.encoder.result(), pairs.encoder_noise, latents);
  forward_pass(Role::generator, {.x = pairs.latents.slice_rows(pairs.encoded, generated)}, pairs.generator);
  if (has_gaussian_generator()) {
    sample(pairs.generator.result(), pairs.generator_noise, generated_rows(pairs).slice_columns(0, columns()));
  }
}

/// From the gradient of samples to that of the means and log variances.
void BiganStep::backward_sample(const Network::Buffers& buffers, StackView<const float> noise,
                                StackView<const float> gradient) {
  Reparameterise args;
  args.statistics = buffers.result();
  args.noise = noise;
  args.dz = gradient;
  args.dstatistics = buffers.result_gradient();
  run(context_, args);
}

void BiganStep::sample_discriminator(std::int64_t t, int inner) {
  const auto draw_number = static_cast<std::uint32_t>(inner);
  // Minibatches continue across inner updates.
  sample_rows(index_, discriminator_rows_lane, t, static_cast<std::uint32_t>(options_.discriminator_steps),
              draw_number);
  gather(index_, 0, real());
  if (has_fence()) {
    run(context_, FenceRows{.real = real(),
                            .key = key(RandomPurpose::fence, draw_number, t),
                            .out = judged_.rows.slice_rows(batch(), batch())});
  }
  draw(judged_, discriminator_latent_lane + draw_number, discriminator_noise_lane + noise_lanes_per_pass * draw_number,
       t);
}

void BiganStep::update_discriminator(std::int64_t t, int inner, bool report) {
  const std::int64_t rows = batch();
  make(judged_);
  const Network::Input in{.x = judged_.rows, .z = judged_.latents.slice_columns(0, latent())};
  forward_pass(Role::discriminator, in, discriminator_buffers_,
               discriminator_dropout_lane + dropout_lanes_per_pass * static_cast<std::uint32_t>(inner), t);
  judge_stack(discriminator_buffers_, judged_.encoded, rows, report);
  backward_pass(Role::discriminator, in, discriminator_buffers_, discriminator_gradient_, {},
                {.dropout = networks_.discriminator().has_dropout()});
  if (is_penalised(t)) {
    penalise({.x = in.x.slice_rows(0, rows), .z = in.z.slice_rows(0, rows)}, discriminator_buffers_.slice_rows(0, rows),
             {.x = row_gradient_, .z = latent_gradient_.slice_columns(0, latent())}, tangent_buffers_,
             discriminator_gradient_);
  }
  update(Role::discriminator, discriminator_gradient_, options_.discriminator_learning_rate, t,
         options_.discriminator_steps, inner, when(report, telemetry_.discriminator_norm));
}

void BiganStep::sample_generator(std::int64_t t) {
  sample_rows(index_, generator_rows_lane, t, 1, 0);
  gather(index_, 0, generator_real());
  draw(trained_, generator_latent_lane, generator_noise_lane, t);
}

/// G's and E's gradients are both taken before either is updated.
void BiganStep::update_generator(std::int64_t t, bool report) {
  make(trained_);
  add_adversarial_terms(t, report);
  cover(generated_rows(trained_), generator_real(), generated_gradient_);
  // G(E(x)) and E(G(z)) each lead through both networks: E's own output last but one, G's own rows last.
  if (options_.reconstruction > 0.0f) add_reconstruction();
  backward_pass(Role::encoder, {.x = generator_real()}, trained_.encoder, encoder_gradient_, {});
  if (options_.latent_cycle > 0.0f) add_latent_cycle();
  if (has_gaussian_generator()) {
    backward_sample(trained_.generator, trained_.generator_noise, generated_gradient_.slice_columns(0, columns()));
  }
  backward_pass(Role::generator, {.x = trained_.latents.slice_rows(batch(), generated_gradient_.rows)},
                trained_.generator, generator_gradient_, {}, {.accumulate = options_.reconstruction > 0.0f});
  update(Role::generator, generator_gradient_, options_.learning_rate, t, 1, 0,
         when(report, telemetry_.generator_norm));
  update(Role::encoder, encoder_gradient_, options_.encoder_learning_rate, t, 1, 0, {});
}

void BiganStep::step(std::int64_t t, bool report) {
  for (int inner = 0; inner < options_.discriminator_steps; ++inner) {
    sample_discriminator(t, inner);
    update_discriminator(t, inner, report);
  }
  sample_generator(t);
  update_generator(t, report);
}

}  // namespace cugad
