#include "host/methods/anogan.hpp"

#include <algorithm>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/methods/carried_condition.hpp"
#include "host/training/gan_step.hpp"

namespace cugad {
namespace {

/// Random search starts come from a pool, chosen by the row's contents: a row's score cannot depend on its neighbours.
constexpr std::int64_t start_pool = 4096;

bool has_bank(const DetectorOptions& options) {
  return options.score == ScoreRule::bank ||
         (options.score == ScoreRule::search && options.search_from == SearchStart::bank);
}

}  // namespace

void check_memory(const DetectorOptions& options, const MethodNetworks& networks) {
  constexpr std::int64_t always_allowed = std::int64_t{1} << 26, most_per_weight = 4096;
  const Network generator = networks.generator().plain();
  const std::int64_t most = std::max(always_allowed / options.population, most_per_weight * generator.parameters());
  if (const int condition = networks.condition; condition > 0) {
    std::int64_t carried = CarriedCondition(generator.trunk(), networks.columns, condition).network.parameters();
    if (networks.has(Role::encoder)) {
      const Network encoder = networks.encoder().plain();
      carried += CarriedCondition(encoder.trunk(), networks.latent, condition).network.parameters();
    }
    if (carried <= most) return;
    throw Error(ErrorCode::invalid_argument, "option 'condition' names " + std::to_string(condition) +
                                                 " columns, more than networks of this size can carry");
  }
  const std::int64_t most_rows = most / (generator.inputs() + networks.row_columns());
  if (!has_bank(options) || options.bank_rows <= most_rows) return;
  throw Error(ErrorCode::invalid_argument, "option 'bank_rows' is " + std::to_string(options.bank_rows) +
                                               ", expected at most " + std::to_string(most_rows) +
                                               " for networks of this size");
}

Network generator_network(const DetectorOptions& options, int inputs, int outputs) {
  std::vector<LayerSpec> layers;
  for (int width : options.hidden) layers.push_back({width, Activation::relu, 0.0f, options.generator_dropout});
  layers.push_back({outputs, Activation::identity, 0.0f, 0.0f});
  return Network(Mlp(inputs, layers), {.virtual_batch = options.virtual_batch});
}

Network encoder_network(const DetectorOptions& options, int inputs, int outputs) {
  std::vector<LayerSpec> layers;
  for (int width : options.encoder_hidden) layers.push_back({width, Activation::leaky_relu, options.slope, 0.0f});
  layers.push_back({outputs, options.encoder_tanh ? Activation::tanh : Activation::identity, 0.0f, 0.0f});
  return Network(Mlp(inputs, layers), {.spectral_norm = options.spectral_norm});
}

Techniques discriminator_techniques(const DetectorOptions& options) {
  return {.spectral_norm = options.spectral_norm,
          .batch_norm = options.batch_norm,
          .minibatch_kernels = options.minibatch_kernels,
          .minibatch_dimensions = options.minibatch_dimensions,
          .part_rows = options.batch};
}

Network joint_discriminator_network(const DetectorOptions& options, int columns, int latent) {
  const auto leaky = [&](const std::vector<int>& widths, float dropout) {
    std::vector<LayerSpec> layers;
    for (int width : widths) layers.push_back({width, Activation::leaky_relu, options.slope, dropout});
    return layers;
  };
  // ALAD's data branch has normalisation in dropout's place.
  const Mlp data(columns, leaky(options.data_branch, options.batch_norm ? 0.0f : options.dropout));
  const Mlp latents(latent, leaky(options.latent_branch, options.dropout));
  std::vector<LayerSpec> trunk = leaky(options.discriminator_hidden, options.dropout);
  trunk.push_back({1, Activation::identity, 0.0f, 0.0f});
  return Network(data, latents, Mlp(data.outputs() + latents.outputs(), trunk), discriminator_techniques(options));
}

MethodNetworks gan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  MethodNetworks networks;
  networks.columns = static_cast<int>(columns - condition);
  networks.condition = static_cast<int>(condition);
  networks.latent = options.latent;
  networks[Role::generator] = generator_network(options, options.latent + networks.condition, networks.columns);
  std::vector<LayerSpec> layers;
  for (int width : options.discriminator_hidden) {
    layers.push_back({width, Activation::leaky_relu, options.slope, options.dropout});
  }
  layers.push_back({1, Activation::identity, 0.0f, 0.0f});
  networks[Role::discriminator] = Network(Mlp(static_cast<int>(columns), layers), discriminator_techniques(options));
  return networks;
}

extern constinit const MethodDefinition anogan_definition{
    .method = Method::anogan,
    .name = "anogan",
    .networks = gan_networks,
    .step = make_step<GanStep>,
    .model = make_scorer<AnoGan>,
    .scores = {ScoreRule::bank, ScoreRule::search},
    .options = gan_options,
    .stops_by_coverage = true,
};

std::int64_t AnoGan::latent_rows() const {
  if (needs_bank()) return options_.bank_rows;
  return searches() ? start_pool : 0;
}

void AnoGan::draw() {
  AnomalyModel::draw();
  if (networks_.condition > 0) {
    carried_generator_ = carry_condition("generator that carries the condition", networks_.generator().trunk(),
                                         weight(Role::generator), networks_.columns, carried_generator_weights_);
    no_condition_ = kept_->stack("conditions of no value", 1, chunk_rows(), networks_.condition);
    run(context_, FillUniform{.out = no_condition_, .key = {}, .low = 0.0f, .high = 0.0f});
  }
  if (latent_rows() == 0) return;
  bank_latent_ = kept_->stack("latents of the bank", population(), latent_rows(), search_inputs());
  run(context_, FillUniform{.out = bank_latent_, .key = {}, .low = 0.0f, .high = 0.0f});
  run(context_, FillNormal{.out = bank_latent_.slice_columns(0, networks_.latent),
                           .key = {.seed = options_.seed, .purpose = RandomPurpose::bank},
                           .truncated = options_.search_from == SearchStart::truncated_normal});
  if (!needs_bank()) return;
  bank_ = kept_->stack("bank of generated rows", population(), latent_rows(), networks_.row_columns());
  generate(bank_latent_, bank_);
}

void AnoGan::take_memory(std::int64_t rows) {
  AnomalyModel::take_memory(rows);
  const std::int64_t models = population(), columns = networks_.row_columns();
  loss_ = arena_.stack("search losses", models, rows, 1);
  filled_ = arena_.stack("rows without missing cells", models, rows, columns);
  reconstruction_ = arena_.stack("reconstructions", models, rows, columns);
  if (needs_discriminator()) judge_buffers_ = carve("activations", networks_.discriminator(), rows);
  if (latent_rows() == 0) return;
  nearest_count_ = std::min<std::int64_t>(std::max(options_.neighbours, options_.restarts), latent_rows());
  distance_ = arena_.stack("distances", models, rows, nearest_count_);
  nearest_ = arena_.stack<std::int32_t>("nearest generated rows", models, rows, nearest_count_);
  const std::int64_t restarts = options_.restarts;
  latent_ = arena_.stack("search latents", models, rows * restarts, search_inputs());
  start_ = arena_.stack<std::int32_t>("search starts", 1, rows * restarts, 1);
}

void AnoGan::find_nearest(StackView<const float> query, std::int64_t neighbours) {
  run(context_, NearestRows{.query = query,
                            .bank = bank_,
                            .neighbours = static_cast<std::int32_t>(neighbours),
                            .distance = {distance_.data, population(), query.rows, neighbours},
                            .index = {nearest_.data, population(), query.rows, neighbours}});
}

bool AnoGan::needs_bank() const { return has_bank(options_); }

StackView<const float> AnoGan::encode(MatrixView<const float>) { return {}; }

Mlp AnoGan::carry_condition(const char* name, const Mlp& network, StackView<const float> weights, int outputs,
                            StackView<float>& carried) {
  const CarriedCondition carrying(network, outputs, networks_.condition);
  carried = kept_->stack(name, population(), 1, carrying.network.parameters());
  for (std::int64_t m = 0; m < population(); ++m) {
    const std::vector<float> values =
        carrying.parameters(download(context_, weights.model(m).data, weights.columns).data());
    context_.backend().copy(carried.model(m).data, values.data(), sizeof(float) * values.size(), context_.stream());
    context_.synchronize();
  }
  return carrying.network;
}

void AnoGan::give_condition(MatrixView<const float> rows, StackView<float> latents) {
  const std::int64_t models = population();
  const StackView<const float> none = no_condition_.slice_rows(0, rows.rows);
  run(context_, FillMissing{.x = shared_by(models, rows).slice_columns(networks_.columns, networks_.condition),
                            .replacement = {none.data, models, rows.rows, networks_.condition, 0, none.row_stride},
                            .out = latents.slice_columns(networks_.latent, networks_.condition)});
}

/// Every restart begins at E(x): a search that starts there needs one.
void AnoGan::start_from_encoder(MatrixView<const float> rows) {
  const StackView<const float> encoded = encode(rows).slice_columns(0, networks_.latent);
  const std::int64_t restarts = options_.restarts;
  for (std::int64_t k = 0; k < restarts; ++k) {
    // Restart k of row r is row r * restarts + k.
    const StackView<float> starts(latent_.data + k * search_inputs(), population(), rows.rows, networks_.latent,
                                  rows.rows * restarts * search_inputs(), restarts * search_inputs());
    run(context_, FillMissing{.x = encoded, .replacement = encoded, .out = starts});
  }
}

/// Chooses the latents where the search of each row begins.
void AnoGan::start_search(MatrixView<const float> rows) {
  choose_starts(rows);
  if (networks_.condition == 0) return;
  const std::int64_t restarts = options_.restarts, inputs = search_inputs();
  for (std::int64_t k = 0; k < restarts; ++k) {
    give_condition(rows, {latent_.data + k * inputs, population(), rows.rows, inputs, rows.rows * restarts * inputs,
                          restarts * inputs});
  }
}

void AnoGan::choose_starts(MatrixView<const float> rows) {
  if (options_.search_from == SearchStart::encoder) return start_from_encoder(rows);
  const std::int64_t restarts = options_.restarts, models = population();
  StackView<const std::int32_t> start;
  if (needs_bank()) {
    const std::int64_t known = std::min<std::int64_t>(restarts, options_.bank_rows);
    find_nearest(shared_by(models, rows), known);
    start = {nearest_.data, models, rows.rows * restarts, 1};
    if (known < restarts) return start_from_all_of_the_bank(rows.rows);
  } else {
    run(context_, ContentIndex{.x = shared_by(1, rows),
                               .pool = static_cast<std::int32_t>(bank_latent_.rows),
                               .draws = static_cast<std::int32_t>(restarts),
                               .index = {start_.data, 1, rows.rows * restarts, 1}});
    start = {start_.data, models, rows.rows * restarts, 1, 0, 1};
  }
  run(context_, GatherRows{.source = bank_latent_,
                           .index = start,
                           .out = {latent_.data, models, rows.rows * restarts, search_inputs()}});
}

/// More restarts than generated rows: the farthest of those found serves for the rest.
void AnoGan::start_from_all_of_the_bank(std::int64_t rows) {
  const std::int64_t restarts = options_.restarts, models = population(), inputs = search_inputs();
  const std::int64_t known = bank_latent_.rows;
  for (std::int64_t k = 0; k < restarts; ++k) {
    run(context_, GatherRows{.source = bank_latent_,
                             .index = {nearest_.data + std::min(k, known - 1), models, rows, 1, rows * known, known},
                             .out = {latent_.data + k * inputs, models, rows, inputs, rows * restarts * inputs,
                                     restarts * inputs}});
  }
}

LatentSearch AnoGan::search_arguments(StackView<const float> query, bool with_residuals) const {
  const std::int64_t models = population(), rows = query.rows;
  LatentSearch args;
  args.generator = generator_view();
  args.x = query;
  args.z = {latent_.data, models, rows * options_.restarts, search_inputs()};
  args.fixed_columns = networks_.condition;
  args.restarts = options_.restarts;
  args.steps = options_.search_steps;
  args.learning_rate.pieces = static_cast<std::int32_t>(options_.search_rate.size());
  std::copy(options_.search_rate.begin(), options_.search_rate.end(), args.learning_rate.rate);
  std::copy(options_.search_until.begin(), options_.search_until.end(), args.learning_rate.until);
  args.residual_distance = options_.residual;
  args.discrimination_kind = options_.discrimination;
  args.lambda = options_.lambda;
  args.prior_weight = options_.prior_weight;
  args.latent_weight = options_.latent_weight;
  args.latent_clip = options_.latent_clip;
  if (networks_.has(Role::discriminator) && !networks_.discriminator().is_joint()) {
    args.discriminator = networks_.discriminator().trunk().view(weight(Role::discriminator));
  } else {
    // A discriminator of pairs cannot judge G(z) alone.
    args.discrimination_kind = Discrimination::none;
    args.lambda = args.prior_weight = 0.0f;
  }
  args.loss = {loss_.data, models, rows, 1};
  args.reconstruction = reconstruction_.slice_rows(0, rows);
  if (with_residuals) args.feature_residual = feature_residual_.slice_rows(0, rows);
  return args;
}

std::string AnoGan::search_path() const {
  if (!searches() || !device_.backend().runs_models_together()) return "";  // the CPU has one way
  const MatrixView<const float> any(reconstruction_.data, chunk_rows(), networks_.row_columns());
  return path(context_, search_arguments(shared_by(population(), any), false));
}

StackView<const float> AnoGan::fill_missing(MatrixView<const float> rows) {
  const StackView<float> filled = filled_.slice_rows(0, rows.rows);
  run(context_,
      FillMissing{
          .x = shared_by(population(), rows), .replacement = reconstruction_.slice_rows(0, rows.rows), .out = filled});
  return filled;
}

StackView<const float> AnoGan::judge(StackView<const float> filled) {
  const Network::Buffers buffers = judge_buffers_.slice_rows(0, filled.rows);
  networks_.discriminator().forward(context_, weight(Role::discriminator), {.x = filled, .z = {}}, buffers);
  return buffers.result();
}

AnomalyModel::RawScores AnoGan::raw_scores(MatrixView<const float> rows, bool with_residuals) {
  const std::int64_t models = population(), count = rows.rows;
  RawScores raw;
  if (options_.score == ScoreRule::bank) {
    const std::int64_t k = std::min<std::int64_t>(options_.neighbours, options_.bank_rows);
    find_nearest(shared_by(models, rows), k);
    raw.residual = {distance_.data + k - 1, models, count, 1, count * k, k};
    if (needs_discriminator()) {
      run(context_, GatherRows{.source = bank_,
                               .index = {nearest_.data, models, count, 1, count * k, k},
                               .out = reconstruction_.slice_rows(0, count)});
    }
  } else {
    start_search(rows);
    run(context_, search_arguments(shared_by(models, rows), with_residuals));
    raw.residual = {loss_.data, models, count, 1};
  }
  if (needs_discriminator()) raw.logit = judge(fill_missing(rows));
  return raw;
}

AnomalyModel::AbsentForm AnoGan::absent_form() const {
  if (options_.score == ScoreRule::bank) return {.weight = 1.0f, .squared = true, .root = true};
  if (options_.score != ScoreRule::search) return {};
  const bool is_judged = networks_.has(Role::discriminator) && !networks_.discriminator().is_joint();
  return sum_over_columns(is_judged ? 1.0f - options_.lambda : 1.0f);
}

AnomalyModel::AbsentForm AnoGan::sum_over_columns(float weight) const {
  if (options_.residual != Distance::l2) return {.weight = weight, .squared = options_.residual == Distance::squared};
  // Under a root that other terms are added to, what a column adds depends on the row.
  return {.weight = weight == 1.0f ? 1.0f : 0.0f, .squared = true, .root = true};
}

/// That of the nearest generated row, without a search.
void AnoGan::find_column_residuals(MatrixView<const float> rows) {
  if (options_.score != ScoreRule::bank) return;
  const std::int64_t models = population();
  find_nearest(shared_by(models, rows), 1);
  const StackView<float> latents(latent_.data, models, rows.rows, search_inputs());
  run(context_, GatherRows{.source = bank_latent_, .index = {nearest_.data, models, rows.rows, 1}, .out = latents});
  if (networks_.condition > 0) give_condition(rows, latents);
  LatentSearch args = search_arguments(shared_by(models, rows), true);
  args.z = latents;
  args.restarts = 1;
  args.steps = 0;
  run(context_, args);
}

/// The distance to the bank is no residual per column: a search gives one.
void AnoGan::explain(MatrixView<const float> rows) {
  if (options_.score != ScoreRule::bank) return;
  start_search(rows);
  run(context_, search_arguments(shared_by(population(), rows), true));
}

}  // namespace cugad
