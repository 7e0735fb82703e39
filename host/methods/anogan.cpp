#include "host/methods/anogan.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/backend/transfer.hpp"

namespace cugad {
namespace {

/// Random search starts come from a pool, chosen by the row's contents: a row's score cannot depend on its neighbours.
constexpr std::int64_t start_pool = 4096;
/// Rows x models scored at a time: what fits the caches of a processor, or fills a GPU.
constexpr std::int64_t chunk_model_rows = 16384, device_chunk_model_rows = 131072;
constexpr std::int64_t generate_rows = 1024;  ///< rows generated at a time

ScoreStatistics statistics_of(Context& context, const float* values, std::int64_t count) {
  Arena arena(context);
  const auto input = arena.stack("scores", 1, 1, count);
  const auto out = arena.stack("quantiles", 1, 1, 3);
  context.backend().copy(input.data, values, sizeof(float) * static_cast<std::size_t>(count), context.stream());
  run(context, Quantile{.values = input, .count = 3, .probability = {0.05, 0.5, 0.95}, .out = out});
  float quantile[3];
  context.backend().copy(quantile, out.data, sizeof quantile, context.stream());
  context.synchronize();
  // 3.29: from the 5th to the 95th percentile of a unit normal.
  float spread = (quantile[2] - quantile[0]) / 3.29f;
  if (!(spread > 0.0f)) spread = std::max(1e-6f, 1e-6f * std::abs(quantile[1]));
  return {quantile[1], spread};
}

}  // namespace

AnoGan::AnoGan(const Device& device, const DetectorOptions& resolved_options, std::int64_t columns)
    : device_(device),
      options_(resolved_options),
      networks_(resolved_options, columns),
      context_(device.make_context()),
      arena_(device.backend()) {
  generator_ = arena_.stack("generator", population(), 1, networks_.generator.parameters());
  discriminator_ = arena_.stack("discriminator", population(), 1, networks_.discriminator.parameters());
  statistics_ = arena_.stack("score statistics", population(), 1, 4);
  residual_statistics_.resize(population());
  discriminator_statistics_.resize(population());
}

std::int64_t AnoGan::chunk_rows() const {
  const bool together = device_.backend().runs_models_together();
  return std::max<std::int64_t>(64, (together ? device_chunk_model_rows : chunk_model_rows) / population());
}

void AnoGan::set_statistics(std::vector<ScoreStatistics> residual, std::vector<ScoreStatistics> discriminator) {
  residual_statistics_ = std::move(residual);
  discriminator_statistics_ = std::move(discriminator);
  std::vector<float> values;
  for (std::int64_t m = 0; m < population(); ++m) {
    values.insert(values.end(), {residual_statistics_[m].median, residual_statistics_[m].spread,
                                 discriminator_statistics_[m].median, discriminator_statistics_[m].spread});
  }
  context_.backend().copy(statistics_.data, values.data(), sizeof(float) * values.size(), context_.stream());
  context_.synchronize();
}

void AnoGan::take_weights(const GanTraining& training) {
  const auto copy = [&](StackView<const float> from, const StackView<float>& to) {
    context_.backend().copy(to.data, from.data, sizeof(float) * static_cast<std::size_t>(to.models * to.columns),
                            context_.stream());
  };
  copy(training.generator().scoring(), generator_);
  copy(training.discriminator().scoring(), discriminator_);
}

void AnoGan::prepare() {
  const std::int64_t models = population(), rows = chunk_rows(), columns = networks_.generator.outputs();
  const std::int64_t bank_rows = needs_bank() ? options_.bank_rows : start_pool;
  // Without a bank the latents alone are kept: the pool of random search starts.
  bank_latent_ = arena_.stack("latents of the bank", models, bank_rows, networks_.latent);
  run(context_, FillNormal{.out = bank_latent_,
                           .key = {.seed = options_.seed, .purpose = RandomPurpose::bank},
                           .truncated = options_.search_start == SearchStart::truncated_normal});
  if (needs_bank()) {
    bank_ = arena_.stack("bank of generated rows", models, bank_rows, columns);
    const std::int64_t part = std::min(generate_rows, bank_rows);
    Arena scratch(context_);
    const auto buffers = networks_.generator.carve(
        scratch.take<float>("activations", networks_.generator.buffer_floats(models, part)), models, part);
    for (std::int64_t first = 0; first < bank_rows; first += part) {
      const std::int64_t count = std::min(part, bank_rows - first);
      Mlp::Buffers window = buffers.slice_rows(0, count);
      window.output.back() = bank_.slice_rows(first, count);
      networks_.generator.forward(context_, generator_, bank_latent_.slice_rows(first, count), window);
    }
  }
  nearest_count_ = std::max(options_.neighbours, options_.restarts);
  nearest_count_ = std::min(nearest_count_, bank_rows);
  distance_ = arena_.stack("distances", models, rows, nearest_count_);
  nearest_ = arena_.stack<std::int32_t>("nearest generated rows", models, rows, nearest_count_);
  loss_ = arena_.stack("search losses", models, rows, 1);
  const std::int64_t restarts = options_.restarts;
  latent_ = arena_.stack("search latents", models, rows * restarts, networks_.latent);
  start_ = arena_.stack<std::int32_t>("search starts", models, rows * restarts, 1);
  filled_ = arena_.stack("rows without missing cells", models, rows, columns);
  reconstruction_ = arena_.stack("reconstructions", models, rows, columns);
  feature_residual_ = arena_.stack("residuals per column", models, rows, columns);
  if (needs_discriminator()) {
    judge_buffers_ = networks_.discriminator.carve(
        arena_.take<float>("activations", networks_.discriminator.buffer_floats(models, rows)), models, rows);
  }
}

void AnoGan::find_nearest(StackView<const float> query, std::int64_t neighbours) {
  run(context_, NearestRows{.query = query,
                            .bank = bank_,
                            .neighbours = static_cast<std::int32_t>(neighbours),
                            .distance = {distance_.data, population(), query.rows, neighbours},
                            .index = {nearest_.data, population(), query.rows, neighbours}});
}

/// Chooses the latents where the search of each row begins.
void AnoGan::start_search(MatrixView<const float> rows) {
  const std::int64_t restarts = options_.restarts, models = population();
  StackView<const std::int32_t> start;
  if (options_.search_start == SearchStart::bank) {
    const std::int64_t known = std::min<std::int64_t>(restarts, options_.bank_rows);
    find_nearest(shared_by(models, rows), known);
    start = {nearest_.data, models, rows.rows * restarts, 1};
    if (known < restarts) start = repeat_last(rows.rows, known);
  } else {
    run(context_, ContentIndex{.x = shared_by(1, rows),
                               .pool = static_cast<std::int32_t>(bank_latent_.rows),
                               .draws = static_cast<std::int32_t>(restarts),
                               .index = {start_.data, 1, rows.rows * restarts, 1}});
    start = {start_.data, models, rows.rows * restarts, 1, 0, 1};
  }
  run(context_, GatherRows{.source = bank_latent_,
                           .index = start,
                           .out = {latent_.data, models, rows.rows * restarts, networks_.latent}});
}

/// More restarts than generated rows: the farthest of those found serves for the rest.
StackView<const std::int32_t> AnoGan::repeat_last(std::int64_t rows, std::int64_t known) {
  const std::int64_t restarts = options_.restarts, models = population();
  const std::vector<std::int32_t> found = download(context_, nearest_.data, models * rows * known);
  std::vector<std::int32_t> chosen(models * rows * restarts);
  for (std::int64_t i = 0; i < models * rows; ++i) {
    for (std::int64_t k = 0; k < restarts; ++k) chosen[i * restarts + k] = found[i * known + std::min(k, known - 1)];
  }
  context_.backend().copy(start_.data, chosen.data(), sizeof(std::int32_t) * chosen.size(), context_.stream());
  context_.synchronize();
  return {start_.data, models, rows * restarts, 1};
}

LatentSearch AnoGan::search_arguments(StackView<const float> query, bool with_residuals) const {
  const std::int64_t models = population(), rows = query.rows;
  LatentSearch args;
  args.generator = networks_.generator.view(generator_);
  args.discriminator = networks_.discriminator.view(discriminator_);
  args.x = query;
  args.z = {latent_.data, models, rows * options_.restarts, networks_.latent};
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
  args.loss = {loss_.data, models, rows, 1};
  args.reconstruction = reconstruction_.slice_rows(0, rows);
  if (with_residuals) args.feature_residual = feature_residual_.slice_rows(0, rows);
  return args;
}

std::string AnoGan::search_path() const {
  if (options_.score != ScoreRule::search) return "";
  const MatrixView<const float> any(reconstruction_.data, chunk_rows(), networks_.generator.outputs());
  return path(context_, search_arguments(shared_by(population(), any), false));
}

/// D(x)'s logit per model; a row's missing cells are filled from that model's reconstruction (in reconstruction_).
StackView<const float> AnoGan::judge(MatrixView<const float> rows) {
  const StackView<float> filled = filled_.slice_rows(0, rows.rows);
  run(context_,
      FillMissing{
          .x = shared_by(population(), rows), .replacement = reconstruction_.slice_rows(0, rows.rows), .out = filled});
  const Mlp::Buffers buffers = judge_buffers_.slice_rows(0, rows.rows);
  networks_.discriminator.forward(context_, discriminator_, filled, buffers);
  return buffers.output.back();
}

AnoGan::RawScores AnoGan::raw_scores(MatrixView<const float> rows, bool with_residuals) {
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
  if (needs_discriminator()) raw.logit = judge(rows);
  return raw;
}

/// The mean over the models of |x - G(z)|. Waits.
void AnoGan::add_feature_residual(MatrixView<const float> rows, float* feature_residual) {
  const std::int64_t models = population(), cells = rows.rows * rows.columns;
  if (options_.score == ScoreRule::bank) {
    start_search(rows);
    run(context_, search_arguments(shared_by(models, rows), true));
  }
  std::fill_n(feature_residual, cells, 0.0f);
  for (std::int64_t m = 0; m < models; ++m) {
    const std::vector<float> found = download_rows(context_, feature_residual_.slice_rows(0, rows.rows).model(m));
    for (std::int64_t i = 0; i < cells; ++i) feature_residual[i] += found[i] / static_cast<float>(models);
  }
}

void AnoGan::combine(Context& context, const RawScores& raw, StackView<float> scores) const {
  run(context, CombineScores{.residual = raw.residual,
                             .logit = raw.logit,
                             .statistics = statistics_,
                             .compress = options_.compress,
                             .discriminator_weight = options_.discriminator_weight,
                             .score = scores});
}

std::vector<float> AnoGan::calibrate(MatrixView<const float> rows) {
  const std::int64_t models = population();
  Arena arena(context_);
  const auto residual = arena.stack("residuals of the training rows", models, rows.rows, 1);
  const auto logit = arena.stack("logits of the training rows", models, needs_discriminator() ? rows.rows : 0, 1);
  const auto scores = arena.stack("scores of the training rows", 1, rows.rows, 1);
  for (std::int64_t first = 0; first < rows.rows; first += chunk_rows()) {
    const std::int64_t count = std::min(chunk_rows(), rows.rows - first);
    const RawScores raw = raw_scores({rows.row(first), count, rows.columns, rows.row_stride}, false);
    for (std::int64_t m = 0; m < models; ++m) {
      copy_rows(context_, raw.residual.model(m), residual.slice_rows(first, count).model(m));
      if (raw.logit) copy_rows(context_, raw.logit.model(m), logit.slice_rows(first, count).model(m));
    }
  }
  std::vector<ScoreStatistics> of_residual(models), of_discriminator(models);
  for (std::int64_t m = 0; m < models; ++m) {
    std::vector<float> values = download(context_, residual.model(m).data, rows.rows);
    of_residual[m] = statistics_of(context_, values.data(), rows.rows);
    std::fill(values.begin(), values.end(), 0.0f);
    if (needs_discriminator()) values = download(context_, logit.model(m).data, rows.rows);
    for (float& value : values) value = 0.0f - value;
    of_discriminator[m] = statistics_of(context_, values.data(), rows.rows);
  }
  set_statistics(std::move(of_residual), std::move(of_discriminator));
  RawScores raw;
  raw.residual = residual;
  if (needs_discriminator()) raw.logit = logit;
  combine(context_, raw, scores);
  return download(context_, scores.data, rows.rows);
}

void AnoGan::score(MatrixView<const float> rows, StackView<float> scores, float* feature_residual) {
  if (rows.rows == 0) return;
  combine(context_, raw_scores(rows, feature_residual != nullptr), scores);
  // Last, for its search may leave other reconstructions: an explanation changes no score.
  if (feature_residual != nullptr) add_feature_residual(rows, feature_residual);
}

void AnoGan::sample(std::int64_t count, std::uint64_t seed, float* rows) {
  const std::int64_t models = population(), columns = networks_.generator.outputs();
  const std::int64_t per_model = (count + models - 1) / models;
  const std::int64_t part = std::min(generate_rows, per_model);
  Arena arena(context_);
  const auto latent = arena.stack("latent", 1, part, networks_.latent);
  const auto buffers =
      networks_.generator.carve(arena.take<float>("activations", networks_.generator.buffer_floats(1, part)), 1, part);
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t first = 0; first < per_model; first += part) {
      RandomKey key{.seed = options_.seed + static_cast<std::uint64_t>(m), .purpose = RandomPurpose::sample};
      // The caller's seed chooses the stream, the window the step.
      key.seed ^= seed * 0x9E3779B97F4A7C15ull;
      key.step = static_cast<std::uint32_t>(first / part);
      run(context_, FillNormal{.out = latent, .key = key});
      networks_.generator.forward(context_, generator_.slice_models(m, 1), latent, buffers);
      // This model's rows stand `models` apart.
      const std::int64_t start = first * models + m;
      const std::int64_t wanted = std::min(part, start < count ? (count - start + models - 1) / models : 0);
      const MatrixView<float> generated = buffers.output.back().model(0);
      copy_rows(context_, MatrixView<const float>(generated.data, wanted, columns, generated.row_stride),
                MatrixView<float>(rows + start * columns, wanted, columns, models * columns));
    }
  }
  context_.synchronize();
}

}  // namespace cugad
