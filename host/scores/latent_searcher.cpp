#include "host/scores/latent_searcher.hpp"

#include <algorithm>

#include "host/backend/elementwise.hpp"

namespace cugad {
namespace {

/// Random search starts come from a pool, chosen by the row's contents: a row's score cannot depend on its neighbours.
constexpr std::int64_t start_pool = 4096;

std::int64_t latent_rows(const DetectorOptions& options) {
  if (has_bank(options)) return options.bank_rows;
  return options.score == ScoreRule::search ? start_pool : 0;
}

}  // namespace

bool has_bank(const DetectorOptions& options) {
  return options.score == ScoreRule::bank ||
         (options.score == ScoreRule::search && options.search_from == SearchStart::bank);
}

void LatentSearcher::draw(ScoringNetworks& networks) {
  bank_ = bank_latent_ = {};
  if (networks.device().backend().runs_models_together()) draw_now(networks);
}

const StackView<float>& LatentSearcher::bank(ScoringNetworks& networks) {
  if (!is_drawn()) draw_now(networks);
  return bank_;
}

void LatentSearcher::draw_now(ScoringNetworks& networks) {
  const DetectorOptions& options = networks.options();
  const std::int64_t models = networks.population(), rows = latent_rows(options);
  Context& context = networks.context();
  bank_latent_ = networks.kept().stack("latents of the bank", models, rows, networks.search_inputs());
  fill(context, bank_latent_, 0.0f);
  run(context, FillNormal{.out = bank_latent_.slice_columns(0, networks.networks().latent),
                          .key = {.seed = options.seed, .purpose = RandomPurpose::bank},
                          .truncated = options.search_from == SearchStart::truncated_normal});
  if (!has_bank(options)) return;
  bank_ = networks.kept().stack("bank of generated rows", models, rows, networks.networks().row_columns());
  networks.generate(bank_latent_, bank_);
}

void LatentSearcher::take_memory(ScoringNetworks& networks, std::int64_t rows) {
  if (!is_drawn()) draw_now(networks);
  const DetectorOptions& options = networks.options();
  const std::int64_t models = networks.population(), restarts = options.restarts;
  const std::int64_t most =
      std::min<std::int64_t>(std::max(options.neighbours, options.restarts), latent_rows(options));
  Arena& working = networks.working();
  distance_ = working.stack("distances", models, rows, most);
  nearest_ = working.stack<std::int32_t>("nearest generated rows", models, rows, most);
  latent_ = working.stack("search latents", models, rows * restarts, networks.search_inputs());
  start_ = working.stack<std::int32_t>("search starts", 1, rows * restarts, 1);
  if (options.score == ScoreRule::search && networks.runs_by_layers()) by_layers_.take_memory(networks, rows);
}

LatentSearcher::Nearest LatentSearcher::find_nearest(ScoringNetworks& networks, MatrixView<const float> rows,
                                                     std::int64_t neighbours) {
  const std::int64_t models = networks.population();
  const Nearest found{{distance_.data, models, rows.rows, neighbours}, {nearest_.data, models, rows.rows, neighbours}};
  run(networks.context(), NearestRows{.query = shared_by(models, rows),
                                      .bank = bank_,
                                      .neighbours = static_cast<std::int32_t>(neighbours),
                                      .distance = found.distance,
                                      .index = found.index});
  return found;
}

/// Every restart begins at E(x).
void LatentSearcher::start_from_encoder(ScoringNetworks& networks, MatrixView<const float> rows) {
  networks.encode(rows);
  const StackView<const float> encoded = networks.latents(rows.rows);
  const std::int64_t restarts = networks.options().restarts, inputs = networks.search_inputs();
  for (std::int64_t k = 0; k < restarts; ++k) {
    // Restart k of row r is row r * restarts + k.
    const StackView<float> starts(latent_.data + k * inputs, networks.population(), rows.rows, encoded.columns,
                                  rows.rows * restarts * inputs, restarts * inputs);
    copy(networks.context(), encoded, starts);
  }
}

void LatentSearcher::choose_starts(ScoringNetworks& networks, MatrixView<const float> rows) {
  const DetectorOptions& options = networks.options();
  if (options.search_from == SearchStart::encoder) return start_from_encoder(networks, rows);
  const std::int64_t restarts = options.restarts, models = networks.population();
  StackView<const std::int32_t> start;
  if (has_bank(options)) {
    const std::int64_t known = std::min<std::int64_t>(restarts, options.bank_rows);
    find_nearest(networks, rows, known);
    start = {nearest_.data, models, rows.rows * restarts, 1};
    if (known < restarts) return start_from_all_of_the_bank(networks, rows.rows);
  } else {
    run(networks.context(), ContentIndex{.x = shared_by(1, rows),
                                         .pool = static_cast<std::int32_t>(bank_latent_.rows),
                                         .draws = static_cast<std::int32_t>(restarts),
                                         .index = {start_.data, 1, rows.rows * restarts, 1}});
    start = {start_.data, models, rows.rows * restarts, 1, 0, 1};
  }
  run(networks.context(), GatherRows{.source = bank_latent_,
                                     .index = start,
                                     .out = {latent_.data, models, rows.rows * restarts, networks.search_inputs()}});
}

/// More restarts than generated rows: the farthest of those found serves for the rest.
void LatentSearcher::start_from_all_of_the_bank(ScoringNetworks& networks, std::int64_t rows) {
  const std::int64_t restarts = networks.options().restarts, models = networks.population();
  const std::int64_t inputs = networks.search_inputs(), known = bank_latent_.rows;
  for (std::int64_t k = 0; k < restarts; ++k) {
    run(networks.context(),
        GatherRows{
            .source = bank_latent_,
            .index = {nearest_.data + std::min(k, known - 1), models, rows, 1, rows * known, known},
            .out = {latent_.data + k * inputs, models, rows, inputs, rows * restarts * inputs, restarts * inputs}});
  }
}

LatentSearch LatentSearcher::arguments(ScoringNetworks& networks, StackView<const float> query,
                                       bool with_residuals) const {
  const DetectorOptions& options = networks.options();
  const std::int64_t rows = query.rows;
  LatentSearch args;
  args.generator = networks.generator_view();
  args.x = query;
  args.z = {latent_.data, networks.population(), rows * options.restarts, networks.search_inputs()};
  args.fixed_columns = networks.networks().condition;
  args.restarts = options.restarts;
  args.steps = options.search_steps;
  args.learning_rate.pieces = static_cast<std::int32_t>(options.search_rate.size());
  std::copy(options.search_rate.begin(), options.search_rate.end(), args.learning_rate.rate);
  std::copy(options.search_until.begin(), options.search_until.end(), args.learning_rate.until);
  args.residual_distance = options.residual;
  args.discrimination_kind = options.discrimination;
  args.lambda = options.lambda;
  args.prior_weight = options.prior_weight;
  args.latent_weight = options.latent_weight;
  args.latent_clip = options.latent_clip;
  if (networks.networks().has(Role::discriminator) && !networks.has_joint_discriminator()) {
    args.discriminator = networks.networks().discriminator().trunk().view(networks.weights(Role::discriminator));
  } else {
    // A discriminator of pairs cannot judge G(z) alone.
    args.discrimination_kind = Discrimination::none;
    args.lambda = args.prior_weight = 0.0f;
  }
  args.loss = networks.loss(rows);
  args.reconstruction = networks.reconstruction(rows);
  if (with_residuals) args.feature_residual = networks.feature_residual(rows);
  return args;
}

void LatentSearcher::search(ScoringNetworks& networks, MatrixView<const float> rows, bool with_residuals) {
  choose_starts(networks, rows);
  if (networks.networks().condition > 0) {
    const std::int64_t restarts = networks.options().restarts, inputs = networks.search_inputs();
    for (std::int64_t k = 0; k < restarts; ++k) {
      networks.give_condition(rows, {latent_.data + k * inputs, networks.population(), rows.rows, inputs,
                                     rows.rows * restarts * inputs, restarts * inputs});
    }
  }
  if (networks.runs_by_layers()) {
    by_layers_.search(
        networks, rows,
        {latent_.data, networks.population(), rows.rows * networks.options().restarts, networks.search_inputs()});
    if (with_residuals) networks.compare_with_reconstruction(rows);
    return;
  }
  run(networks.context(), arguments(networks, shared_by(networks.population(), rows), with_residuals));
}

void LatentSearcher::compare_with_nearest(ScoringNetworks& networks, MatrixView<const float> rows) {
  const std::int64_t models = networks.population();
  const Nearest nearest = find_nearest(networks, rows, 1);
  if (networks.runs_by_layers()) {
    run(networks.context(),
        GatherRows{.source = bank_, .index = nearest.index, .out = networks.reconstruction(rows.rows)});
    return networks.compare_with_reconstruction(rows);
  }
  const StackView<float> latents(latent_.data, models, rows.rows, networks.search_inputs());
  run(networks.context(), GatherRows{.source = bank_latent_, .index = nearest.index, .out = latents});
  if (networks.networks().condition > 0) networks.give_condition(rows, latents);
  LatentSearch args = arguments(networks, shared_by(models, rows), true);
  args.z = latents;
  args.restarts = 1;
  args.steps = 0;
  run(networks.context(), args);
}

std::string LatentSearcher::path(ScoringNetworks& networks, std::int64_t rows) const {
  if (!networks.device().backend().runs_models_together()) return "";  // the CPU has one way
  if (networks.runs_by_layers()) return "layers";
  const MatrixView<const float> any(networks.reconstruction(rows).data, rows, networks.networks().row_columns());
  return cugad::path(networks.context(), arguments(networks, shared_by(networks.population(), any), false));
}

}  // namespace cugad
