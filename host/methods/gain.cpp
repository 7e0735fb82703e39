#include "host/methods/gain.hpp"

#include <utility>
#include <vector>

#include "host/methods/gan_networks.hpp"
#include "host/methods/layer_lists.hpp"

namespace cugad {
namespace {

/// A row hides a share of its cells between these, and one in any case.
constexpr float lowest_share = 0.05f, highest_share = 0.6f;
/// Weight of D's loss on real rows beside that on rows with drawn cells.
constexpr float real_share = 0.5f;

// Lanes of RandomPurpose::latent, and of ::dropout.
constexpr std::uint32_t noise_lane = 0, mask_lane = 64;
constexpr std::uint32_t generator_lane = 0, discriminator_lane = 64, judge_lane = 128;

MethodNetworks gain_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  MethodNetworks networks;
  networks.columns = static_cast<int>(columns - condition);
  networks.condition = static_cast<int>(condition);
  DetectorOptions linear = options;
  linear.generator_tanh = false;
  networks[Role::generator] =
      generator_network(linear, networks.row_columns() + networks.columns, 2 * networks.columns);
  std::vector<LayerSpec> layers = layers_on_rows("discriminator_hidden", options.discriminator_hidden, {},
                                                 {.slope = options.slope, .dropout = options.dropout});
  layers.push_back({networks.columns, Activation::identity, 0.0f, 0.0f});
  networks[Role::discriminator] = Network(Mlp(networks.row_columns(), layers), discriminator_techniques(options));
  return networks;
}

}  // namespace

extern constinit const MethodDefinition gain_definition{
    .method = Method::gain,
    .name = "gain",
    .networks = gain_networks,
    .step = make_step<GainStep>,
    .scores = {ScoreRule::likelihood},
    .options = {"generator_dropout", "virtual_batch"},
    .has_prior = false,
    .judges_cells = true,
};

GainStep::GainStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                   const TrainingRows& rows, std::int64_t models)
    : TrainingStep(std::move(context), options, networks, rows, models) {
  const Network &generator = networks.generator(), &discriminator = networks.discriminator();
  take(index_, "minibatch rows", batch(), 1);
  take(given_, "rows with missing cells", batch(), networks.row_columns());
  take(stacked_, "real rows and rows with drawn cells", 2 * batch(), networks.row_columns());
  take(masked_, "visible cells and masks", batch(), generator.inputs());
  take(noise_, "noise of the drawn cells", batch(), networks.columns);
  take(generator_gradient_, "generator gradient", 1, generator.parameters());
  take(discriminator_gradient_, "discriminator gradient", 1, discriminator.parameters());
  take(generator_buffers_, "generator activations", generator, batch());
  take(discriminator_buffers_, "discriminator activations", discriminator, 2 * batch());
  if (!networks.group.empty()) {
    const auto group = arena_.stack<std::int32_t>("categories", 1, 1, networks.columns);
    context_.backend().copy(group.data, networks.group.data(), sizeof(std::int32_t) * networks.group.size(),
                            context_.stream());
    context_.synchronize();
    group_ = group;
  }
  if (options.adversarial > 0.0f) take(row_gradient_, "gradient of drawn rows", batch(), networks.row_columns());
}

void GainStep::sample(std::int64_t t) {
  sample_rows(index_, 0, t, 1, 0);
  gather(index_, 0, given_);
  run(context_, MaskColumns{.x = given_,
                            .group = group(),
                            .key = key(RandomPurpose::latent, mask_lane, t),
                            .lowest = lowest_share,
                            .highest = highest_share,
                            .out = masked_});
  // What a missing cell is replaced by is 0 already.
  run(context_, FillMissing{.x = given_, .replacement = masked_.slice_columns(0, given_.columns), .out = real()});
  run(context_, FillNormal{.out = noise_, .key = key(RandomPurpose::latent, noise_lane, t)});
}

void GainStep::impute(std::int64_t t) {
  forward_pass(Role::generator, {.x = masked_}, generator_buffers_, generator_lane, t);
  run(context_, GaussianImputation{.statistics = generator_buffers_.result(),
                                   .x = given_,
                                   .mask = mask(),
                                   .noise = noise_,
                                   .out = imputed(),
                                   .group = group()});
}

void GainStep::update_discriminator(std::int64_t t, bool report) {
  const Network::Input shown{.x = stacked_};
  forward_pass(Role::discriminator, shown, discriminator_buffers_, discriminator_lane, t);
  const auto loss = [&](std::int64_t first, StackView<const float> mask, float weight, StackView<float> value,
                        StackView<float> probability) {
    run(context_, CellCrossEntropy{.logit = discriminator_buffers_.result().slice_rows(first, batch()),
                                   .mask = mask,
                                   .target = 1.0f - options_.label_smoothing,
                                   .weight = weight,
                                   .dlogit = discriminator_buffers_.result_gradient().slice_rows(first, batch()),
                                   .loss = when(report, value),
                                   .mean_probability = when(report, probability),
                                   .x = judged(given_)});
  };
  loss(0, {}, real_share, telemetry_.real_loss, telemetry_.real_probability);
  loss(batch(), mask(), 1.0f, telemetry_.fake_loss, telemetry_.fake_probability);
  backward_pass(Role::discriminator, shown, discriminator_buffers_, discriminator_gradient_, {},
                {.dropout = networks_.discriminator().has_dropout()});
  update(Role::discriminator, discriminator_gradient_, options_.discriminator_learning_rate, t, 1, 0,
         when(report, telemetry_.discriminator_norm));
}

/// The gradient of G's adversarial loss with respect to the drawn rows.
void GainStep::judge_imputed(std::int64_t t) {
  const Network::Buffers buffers = discriminator_buffers_.slice_rows(0, batch());
  const Network::Input shown{.x = imputed()};
  forward_pass(Role::discriminator, shown, buffers, judge_lane, t);
  run(context_, CellCrossEntropy{.logit = buffers.result(),
                                 .mask = mask(),
                                 .masked_target = 1.0f,
                                 .masked_only = true,
                                 .weight = options_.adversarial,
                                 .dlogit = buffers.result_gradient(),
                                 .x = judged(given_)});
  backward_pass(Role::discriminator, shown, buffers, {}, {.x = row_gradient_},
                {.dropout = networks_.discriminator().has_dropout()});
}

void GainStep::update_generator(std::int64_t t, bool report) {
  GaussianLikelihood likelihood{.statistics = generator_buffers_.result(),
                                .x = judged(given_),
                                .mask = mask(),
                                .dstatistics = generator_buffers_.result_gradient(),
                                .loss = when(report, telemetry_.generator_loss),
                                .group = group()};
  if (options_.adversarial > 0.0f) {
    judge_imputed(t);
    likelihood.dimputed = judged(row_gradient_);
    likelihood.noise = noise_;
  }
  run(context_, likelihood);
  backward_pass(Role::generator, {.x = masked_}, generator_buffers_, generator_gradient_, {},
                {.dropout = networks_.generator().has_dropout()});
  update(Role::generator, generator_gradient_, options_.learning_rate, t, 1, 0,
         when(report, telemetry_.generator_norm));
}

void GainStep::step(std::int64_t t, bool report) {
  sample(t);
  impute(t);
  update_discriminator(t, report);
  update_generator(t, report);
}

}  // namespace cugad
