#include "host/methods/anogan.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace cugad {
namespace {

/// Random search starts come from a pool, chosen by the row's contents: a row's score cannot depend on its neighbours.
constexpr std::int64_t start_pool = 4096;
constexpr std::int64_t chunk_model_rows = 16384;  ///< rows x models scored at a time
constexpr std::int64_t generate_rows = 1024;      ///< rows generated at a time

std::uint32_t content_hash(const float* row, std::int64_t columns) {
  std::uint64_t hash = 1469598103934665603ull;
  for (std::int64_t c = 0; c < columns; ++c) {
    // Equal rows have equal hashes: there is one missing value and one zero.
    const float cell = std::isnan(row[c]) ? std::numeric_limits<float>::quiet_NaN() : row[c] + 0.0f;
    std::uint32_t word;
    std::memcpy(&word, &cell, sizeof word);
    hash = (hash ^ word) * 1099511628211ull;
  }
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

ScoreStatistics statistics_of(Context& context, const float* values, std::int64_t count) {
  Arena arena(context.backend());
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
  residual_statistics_.resize(population());
  discriminator_statistics_.resize(population());
}

std::int64_t AnoGan::chunk_rows() const { return std::max<std::int64_t>(64, chunk_model_rows / population()); }

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
    Arena scratch(context_.backend());
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
  const StackView<std::int32_t> start(start_.data, models, rows.rows * restarts, 1);
  std::vector<std::int32_t> chosen(models * rows.rows * restarts);
  if (options_.search_start == SearchStart::bank) {
    const std::int64_t known = std::min<std::int64_t>(restarts, options_.bank_rows);
    find_nearest(shared_by(models, rows), known);
    std::vector<std::int32_t> found(models * rows.rows * known);
    context_.backend().copy(found.data(), nearest_.data, sizeof(std::int32_t) * found.size(), context_.stream());
    context_.synchronize();
    for (std::int64_t i = 0; i < models * rows.rows; ++i) {
      for (std::int64_t k = 0; k < restarts; ++k) chosen[i * restarts + k] = found[i * known + std::min(k, known - 1)];
    }
  } else {
    std::vector<float> host(rows.columns);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      context_.backend().copy(host.data(), rows.row(r), sizeof(float) * host.size(), context_.stream());
      context_.synchronize();
      const std::uint32_t hash = content_hash(host.data(), rows.columns);
      for (std::int64_t k = 0; k < restarts; ++k) {
        // An odd stride through the pool: no start twice before the pool is used up.
        const auto at =
            static_cast<std::int32_t>((hash + 2654435761u * static_cast<std::uint32_t>(k)) % bank_latent_.rows);
        for (std::int64_t m = 0; m < models; ++m) chosen[(m * rows.rows + r) * restarts + k] = at;
      }
    }
  }
  context_.backend().copy(start.data, chosen.data(), sizeof(std::int32_t) * chosen.size(), context_.stream());
  run(context_, GatherRows{.source = bank_latent_,
                           .index = start,
                           .out = {latent_.data, models, rows.rows * restarts, networks_.latent}});
}

void AnoGan::search(StackView<const float> query, bool with_residuals) {
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
  run(context_, args);
}

/// -D(x) per model; a row's missing cells are filled from that model's reconstruction (in reconstruction_).
void AnoGan::judge(MatrixView<const float> rows, std::vector<float>& discriminator) {
  const std::int64_t models = population();
  std::vector<float> host(rows.rows * rows.columns);
  StackView<const float> input = shared_by(models, rows);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    context_.backend().copy(host.data() + r * rows.columns, rows.row(r),
                            sizeof(float) * static_cast<std::size_t>(rows.columns), context_.stream());
  }
  context_.synchronize();
  const bool missing = std::any_of(host.begin(), host.end(), [](float cell) { return std::isnan(cell); });
  if (missing) {
    std::vector<float> rebuilt(rows.columns);
    for (std::int64_t m = 0; m < models; ++m) {
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        std::vector<float> row(host.begin() + r * rows.columns, host.begin() + (r + 1) * rows.columns);
        context_.backend().copy(rebuilt.data(), reconstruction_.model(m).row(r), sizeof(float) * rebuilt.size(),
                                context_.stream());
        context_.synchronize();
        for (std::int64_t c = 0; c < rows.columns; ++c) {
          if (std::isnan(row[c])) row[c] = rebuilt[c];
        }
        context_.backend().copy(filled_.model(m).row(r), row.data(), sizeof(float) * row.size(), context_.stream());
        context_.synchronize();
      }
    }
    input = filled_.slice_rows(0, rows.rows);
  }
  const Mlp::Buffers buffers = judge_buffers_.slice_rows(0, rows.rows);
  networks_.discriminator.forward(context_, discriminator_, input, buffers);
  const StackView<float>& logit = buffers.output.back();
  std::vector<float> column(rows.rows * logit.row_stride);
  for (std::int64_t m = 0; m < models; ++m) {
    context_.backend().copy(column.data(), logit.model(m).data,
                            sizeof(float) * static_cast<std::size_t>((rows.rows - 1) * logit.row_stride + 1),
                            context_.stream());
    context_.synchronize();
    for (std::int64_t r = 0; r < rows.rows; ++r) discriminator[m * rows.rows + r] = -column[r * logit.row_stride];
  }
}

void AnoGan::raw_scores(MatrixView<const float> rows, RawScores& raw, float* feature_residual) {
  const std::int64_t models = population(), count = rows.rows, columns = rows.columns;
  raw.residual.resize(models * count);
  raw.discriminator.assign(models * count, 0.0f);
  const bool by_bank = options_.score == ScoreRule::bank;
  if (by_bank) {
    const std::int64_t k = std::min<std::int64_t>(options_.neighbours, options_.bank_rows);
    find_nearest(shared_by(models, rows), k);
    std::vector<float> distance(models * count * k);
    context_.backend().copy(distance.data(), distance_.data, sizeof(float) * distance.size(), context_.stream());
    context_.synchronize();
    for (std::int64_t i = 0; i < models * count; ++i) raw.residual[i] = distance[i * k + k - 1];
    const StackView<std::int32_t> found(nearest_.data, models, count, k);
    run(context_, GatherRows{.source = bank_,
                             .index = {found.data, models, count, 1, count * k, k},
                             .out = reconstruction_.slice_rows(0, count)});
  }
  if (!by_bank) {
    start_search(rows);
    search(shared_by(models, rows), feature_residual != nullptr);
    context_.backend().copy(raw.residual.data(), loss_.data, sizeof(float) * raw.residual.size(), context_.stream());
    context_.synchronize();
  }
  // Before a search for the residuals alone, which leaves other reconstructions: an explanation changes no score.
  if (needs_discriminator()) judge(rows, raw.discriminator);
  if (feature_residual != nullptr) {
    if (by_bank) {
      start_search(rows);
      search(shared_by(models, rows), true);
    }
    std::vector<float> host(columns);
    std::fill_n(feature_residual, count * columns, 0.0f);
    for (std::int64_t m = 0; m < models; ++m) {
      for (std::int64_t r = 0; r < count; ++r) {
        context_.backend().copy(host.data(), feature_residual_.model(m).row(r), sizeof(float) * host.size(),
                                context_.stream());
        context_.synchronize();
        for (std::int64_t c = 0; c < columns; ++c)
          feature_residual[r * columns + c] += host[c] / static_cast<float>(models);
      }
    }
  }
}

std::vector<float> AnoGan::combine(const RawScores& raw, std::int64_t rows) const {
  const auto standardised = [&](float value, const ScoreStatistics& statistics) {
    const double u = (static_cast<double>(value) - statistics.median) / statistics.spread;
    return options_.compress ? std::copysign(std::log1p(std::abs(u)), u) : u;
  };
  std::vector<float> scores(rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    double residual = 0.0, discriminator = 0.0;
    for (std::int64_t m = 0; m < population(); ++m) {
      residual += standardised(raw.residual[m * rows + r], residual_statistics_[m]);
      if (needs_discriminator())
        discriminator += standardised(raw.discriminator[m * rows + r], discriminator_statistics_[m]);
    }
    const auto models = static_cast<double>(population());
    const double score = residual / models + options_.discriminator_weight * std::max(discriminator / models, 0.0);
    // Only an infinite cell, or one too large for float32 sums, gives NaN: nothing is farther from normal.
    scores[r] = std::isnan(score) ? std::numeric_limits<float>::infinity() : static_cast<float>(score);
  }
  return scores;
}

std::vector<float> AnoGan::calibrate(MatrixView<const float> rows) {
  std::vector<std::vector<float>> residual(population()), discriminator(population());
  std::vector<RawScores> parts;
  std::vector<std::int64_t> sizes;
  for (std::int64_t first = 0; first < rows.rows; first += chunk_rows()) {
    const std::int64_t count = std::min(chunk_rows(), rows.rows - first);
    parts.emplace_back();
    sizes.push_back(count);
    raw_scores({rows.row(first), count, rows.columns, rows.row_stride}, parts.back(), nullptr);
    for (std::int64_t m = 0; m < population(); ++m) {
      const RawScores& raw = parts.back();
      residual[m].insert(residual[m].end(), raw.residual.begin() + m * count, raw.residual.begin() + (m + 1) * count);
      discriminator[m].insert(discriminator[m].end(), raw.discriminator.begin() + m * count,
                              raw.discriminator.begin() + (m + 1) * count);
    }
  }
  for (std::int64_t m = 0; m < population(); ++m) {
    residual_statistics_[m] = statistics_of(context_, residual[m].data(), rows.rows);
    discriminator_statistics_[m] = statistics_of(context_, discriminator[m].data(), rows.rows);
  }
  std::vector<float> scores;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const std::vector<float> part = combine(parts[p], sizes[p]);
    scores.insert(scores.end(), part.begin(), part.end());
  }
  return scores;
}

void AnoGan::score(MatrixView<const float> rows, float* scores, float* feature_residual) {
  RawScores raw;
  for (std::int64_t first = 0; first < rows.rows; first += chunk_rows()) {
    const std::int64_t count = std::min(chunk_rows(), rows.rows - first);
    raw_scores({rows.row(first), count, rows.columns, rows.row_stride}, raw,
               feature_residual == nullptr ? nullptr : feature_residual + first * rows.columns);
    const std::vector<float> part = combine(raw, count);
    std::copy(part.begin(), part.end(), scores + first);
  }
}

void AnoGan::sample(std::int64_t count, std::uint64_t seed, float* rows) {
  const std::int64_t models = population(), columns = networks_.generator.outputs();
  const std::int64_t per_model = (count + models - 1) / models;
  Arena arena(context_.backend());
  const std::int64_t part = std::min(generate_rows, per_model);
  const auto latent = arena.stack("latent", 1, part, networks_.latent);
  const auto buffers =
      networks_.generator.carve(arena.take<float>("activations", networks_.generator.buffer_floats(1, part)), 1, part);
  std::vector<float> host(columns);
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t first = 0; first < per_model; first += part) {
      RandomKey key{.seed = options_.seed + static_cast<std::uint64_t>(m), .purpose = RandomPurpose::sample};
      // The caller's seed chooses the stream, the window the step.
      key.seed ^= seed * 0x9E3779B97F4A7C15ull;
      key.step = static_cast<std::uint32_t>(first / part);
      run(context_, FillNormal{.out = latent, .key = key});
      networks_.generator.forward(context_, generator_.slice_models(m, 1), latent, buffers);
      for (std::int64_t r = 0; r < std::min(part, per_model - first); ++r) {
        const std::int64_t row = (first + r) * models + m;
        if (row >= count) continue;
        context_.backend().copy(host.data(), buffers.output.back().model(0).row(r), sizeof(float) * host.size(),
                                context_.stream());
        context_.synchronize();
        std::copy(host.begin(), host.end(), rows + row * columns);
      }
    }
  }
}

}  // namespace cugad
