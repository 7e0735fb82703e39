#include "host/methods/alad.hpp"

#include <utility>

#include "host/backend/elementwise.hpp"
#include "host/methods/gan_networks.hpp"
#include "host/methods/layer_lists.hpp"

namespace cugad {
namespace {

// Lanes of RandomPurpose::minibatch, ::latent and ::dropout. Inner discriminator updates take consecutive ones.
constexpr std::uint32_t discriminator_rows_lane = 0, generator_rows_lane = 1;
constexpr std::uint32_t generator_latent_lane = 0, discriminator_latent_lane = 64;
constexpr std::uint32_t dropout_lanes_per_pass = 16;

constexpr std::array discriminators = {Role::discriminator, Role::cycle_discriminator, Role::latent_discriminator};

/// D(x, x') of images sees one above the other, as in the authors' code: a row of both is such an image.
std::optional<ImageShape> image_of_pairs(std::optional<ImageShape> image) {
  if (image) image->height *= 2;
  return image;
}

Network pair_discriminator(const DetectorOptions& options, const char* option, const std::vector<Layer>& hidden,
                           int side, const std::optional<ImageShape>& image) {
  std::vector<LayerSpec> layers =
      layers_on_rows(option, hidden, image, {.slope = options.slope, .dropout = options.cycle_dropout});
  layers.push_back({1, Activation::identity, 0.0f, 0.0f});
  return Network(Mlp(2 * side, layers), {.spectral_norm = options.spectral_norm, .part_rows = options.batch});
}

}  // namespace

MethodNetworks alad_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  const int row = static_cast<int>(columns), latent = options.latent;
  MethodNetworks networks;
  networks.columns = static_cast<int>(columns - condition);
  networks.condition = static_cast<int>(condition);
  networks.latent = latent;
  networks[Role::generator] = generator_network(options, latent + networks.condition, networks.columns);
  networks[Role::encoder] = encoder_network(options, row, latent);
  networks[Role::discriminator] = joint_discriminator_network(options, row, latent);
  networks[Role::cycle_discriminator] =
      pair_discriminator(options, "cycle_hidden", options.cycle_hidden, row, image_of_pairs(options.image));
  networks[Role::latent_discriminator] =
      pair_discriminator(options, "latent_cycle_hidden", options.latent_cycle_hidden, latent, {});
  return networks;
}

extern constinit const MethodDefinition alad_definition{
    .method = Method::alad,
    .name = "alad",
    .networks = alad_networks,
    .step = make_step<AladStep>,
    .scores = {ScoreRule::cycle_features, ScoreRule::cycle_logits, ScoreRule::reconstruction, ScoreRule::search,
               ScoreRule::bank, ScoreRule::discriminator, ScoreRule::latent},
    .options = {"generator_loss", "discriminator_steps", "coverage", "coverage_rows", "encoder_learning_rate",
                "reconstruction", "latent_cycle", "judged_pair", "virtual_batch", "batch_norm", "cycle_hidden",
                "latent_cycle_hidden", "cycle_dropout", "latent_discriminator"},
    .has_encoder = true,
    .judges_pairs = true,
    .takes_images = true,
};

AladStep::AladStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                   const TrainingRows& rows, std::int64_t models)
    : AdversarialStep(std::move(context), options, networks, rows, models) {
  const std::int64_t generated = generator_batch();
  const std::int64_t pair = 2 * batch();
  const int columns = networks.row_columns(), latent = networks.latent, inputs = networks.generator().inputs();
  take(index_, "minibatch rows", batch(), 1);
  take(rows_stack_, "real and generated rows", batch() + generated, columns);
  take(latents_, "encoded and drawn latents", batch() + generated, inputs);
  take(data_pairs_, "pairs of rows", pair, 2 * columns);
  take(latent_pairs_, "pairs of latents", pair, 2 * latent);
  take(rows_gradient_, "gradient of the rows", batch() + generated, columns);
  take(latents_gradient_, "gradient of the latents", pair, latent);
  take(data_pair_gradient_, "gradient of the pairs of rows", batch(), 2 * columns);
  take(latent_pair_gradient_, "gradient of the pairs of latents", batch(), 2 * latent);
  take(encoder_input_gradient_, "gradient of the encoder's input", pair, columns);
  take(generator_input_gradient_, "gradient of the generator's input", batch(), inputs);
  take(generator_buffers_, "generator activations", networks.generator(), generated);
  take(rebuilt_buffers_, "generator activations of reconstructions", networks.generator(), batch());
  take(encoder_buffers_, "encoder activations", networks.encoder(), pair);
  take(joint_buffers_, "discriminator activations", networks.discriminator(), pair);
  take(cycle_buffers_, "cycle discriminator activations", networks[Role::cycle_discriminator], pair);
  take(latent_buffers_, "latent discriminator activations", networks[Role::latent_discriminator], pair);
  if (options.r1 > 0.0f) {
    take(tangent_buffers_, "tangents", networks.discriminator(), batch());
    take(penalty_row_gradient_, "gradient of the discriminator's rows", batch(), columns);
    take(penalty_latent_gradient_, "gradient of the discriminator's latents", batch(), latent);
  }
  for (const Role role : all_roles) {
    if (!networks.has(role)) continue;
    take(gradients_[static_cast<std::size_t>(role)], name_of(role), 1, networks[role].parameters());
  }
  AladStep::connect();
}

/// G's last layer writes straight into the discriminators' input, and reads the gradient of that.
void AladStep::connect() {
  const std::int64_t rows = batch(), generated = generated_rows();
  const int columns = networks_.columns, whole = networks_.row_columns();
  generator_buffers_.trunk().output.back() = rows_stack_.slice_rows(rows, generated).slice_columns(0, columns);
  generator_buffers_.trunk().gradient.back() = rows_gradient_.slice_rows(rows, generated).slice_columns(0, columns);
  rebuilt_buffers_.trunk().output.back() = data_pairs_.slice_rows(rows, rows).slice_columns(whole, columns);
  rebuilt_buffers_.trunk().gradient.back() = data_pair_gradient_.slice_columns(whole, columns);
}

AladStep::DropoutLanes AladStep::dropout_lanes(Role role) {
  if (role == Role::cycle_discriminator) return {16, 2048};
  if (role == Role::latent_discriminator) return {32, 3072};
  return {0, 1024};
}

const Network::Buffers* AladStep::buffers_of(Role role) const {
  switch (role) {
    case Role::generator:
      return &generator_buffers_;
    case Role::encoder:
      return &encoder_buffers_;
    case Role::cycle_discriminator:
      return &cycle_buffers_;
    case Role::latent_discriminator:
      return &latent_buffers_;
    default:
      return &joint_buffers_;
  }
}

/// Generated rows have the conditions of real ones, in turn.
void AladStep::copy_conditions() {
  const std::int64_t rows = batch(), generated = generated_rows();
  copy_condition(real(), latents_.slice_rows(0, rows), networks_.latent);
  copy_condition(real(), data_pairs_.slice_rows(rows, rows), networks_.row_columns() + networks_.columns);
  copy_condition(real(), latents_.slice_rows(rows, generated), networks_.latent);
  copy_condition(real(), rows_stack_.slice_rows(rows, generated), networks_.columns);
}

void AladStep::sample_discriminators(std::int64_t t, int inner) {
  const auto draw = static_cast<std::uint32_t>(inner);
  // Minibatches continue across inner updates.
  sample_rows(index_, discriminator_rows_lane, t, static_cast<std::uint32_t>(options_.discriminator_steps), draw);
  gather(index_, 0, real());
  run(context_, FillNormal{.out = latent().slice_rows(0, batch()),
                           .key = key(RandomPurpose::latent, discriminator_latent_lane + draw, t)});
}

void AladStep::sample_generator(std::int64_t t) {
  sample_rows(index_, generator_rows_lane, t, 1, 0);
  gather(index_, 0, real());
  run(context_, FillNormal{.out = latent(), .key = key(RandomPurpose::latent, generator_latent_lane, t)});
}

/// G(z) for `rows` latents, E(x) and E(G(z)) in one pass, G(E(x)), each into the pairs it belongs to.
void AladStep::infer(std::int64_t rows) {
  const std::int64_t count = batch();
  const int latent = networks_.latent;
  copy_conditions();
  copy(context_, real(), data_pairs_.slice_rows(count, count).slice_columns(0, networks_.row_columns()));
  copy(context_, this->latent().slice_rows(0, count), latent_pairs_.slice_rows(count, count).slice_columns(0, latent));
  forward_pass(Role::generator, {.x = latents_.slice_rows(count, rows)}, generator_buffers_.slice_rows(0, rows));
  forward_pass(Role::encoder, {.x = rows_stack_.slice_rows(0, 2 * count)}, encoder_buffers_);
  const StackView<float> encoded = encoder_buffers_.result();
  copy(context_, encoded.slice_rows(0, count), latents_.slice_rows(0, count).slice_columns(0, latent));
  copy(context_, encoded.slice_rows(count, count),
       latent_pairs_.slice_rows(count, count).slice_columns(latent, latent));
  forward_pass(Role::generator, {.x = latents_.slice_rows(0, count)}, rebuilt_buffers_);
}

/// The real cycle pairs (x, x) and (z, z).
void AladStep::pair_real() {
  const std::int64_t rows = batch();
  const int columns = networks_.row_columns(), latent = networks_.latent;
  const StackView<float> data = data_pairs_.slice_rows(0, rows), latents = latent_pairs_.slice_rows(0, rows);
  for (int side : {0, 1}) {
    copy(context_, real(), data.slice_columns(side * columns, columns));
    copy(context_, this->latent().slice_rows(0, rows), latents.slice_columns(side * latent, latent));
  }
}

Network::Input AladStep::joint_pairs() const {
  return {.x = rows_stack_.slice_rows(0, 2 * batch()),
          .z = latents_.slice_rows(0, 2 * batch()).slice_columns(0, networks_.latent)};
}

void AladStep::update_discriminators(std::int64_t t, int inner, bool report) {
  const std::int64_t rows = batch();
  infer(rows);
  pair_real();
  for (const Role role : discriminators) {
    const Network::Buffers& buffers = *buffers_of(role);
    const Network::Input in = role == Role::discriminator         ? joint_pairs()
                              : role == Role::cycle_discriminator ? Network::Input{.x = data_pairs_}
                                                                  : Network::Input{.x = latent_pairs_};
    forward_pass(role, in, buffers,
                 dropout_lanes(role).discriminator + dropout_lanes_per_pass * static_cast<std::uint32_t>(inner), t);
    // The reported loss is that of all three, the probabilities are those of D(x, z).
    const bool first = role == Role::discriminator;
    judge(buffers, 0, 1.0f - options_.label_smoothing, 1.0f, when(report, telemetry_.real_loss),
          when(report && first, telemetry_.real_probability), !first);
    judge(buffers, rows, 0.0f, 1.0f, when(report, telemetry_.fake_loss),
          when(report && first, telemetry_.fake_probability), !first);
    backward_pass(role, in, buffers, gradient(role), {}, {.dropout = networks_[role].has_dropout()});
    if (first && is_penalised(t)) {
      penalise({.x = in.x.slice_rows(0, rows), .z = in.z.slice_rows(0, rows)}, buffers.slice_rows(0, rows),
               {.x = penalty_row_gradient_, .z = penalty_latent_gradient_}, tangent_buffers_, gradient(role));
    }
    update(role, gradient(role), options_.discriminator_learning_rate, t, options_.discriminator_steps, inner,
           when(report && first, telemetry_.discriminator_norm));
  }
}

void AladStep::step(std::int64_t t, bool report) {
  for (int inner = 0; inner < options_.discriminator_steps; ++inner) {
    sample_discriminators(t, inner);
    update_discriminators(t, inner, report);
  }
  sample_generator(t);
  update_generator(t, report);
}

}  // namespace cugad
