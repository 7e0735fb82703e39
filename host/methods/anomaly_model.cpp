#include "host/methods/anomaly_model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"

namespace cugad {
namespace {

/// Rows x models scored at a time: what fits the caches of a processor, or fills a GPU.
constexpr std::int64_t chunk_model_rows = 16384, device_chunk_model_rows = 131072;
/// Rows scored at a time by a single thread: its second-level cache holds their activations.
constexpr std::int64_t single_thread_rows = 256;
constexpr std::int64_t generate_rows = 1024;  ///< rows generated at a time
/// With networks so wide, or so many restarts, that a row needs more values than this, chunks are smaller: 512 MiB on a
/// CPU are enough for all.
constexpr std::int64_t usual_values_per_row = 8192;

/// Kept for a row and model while it is scored, about.
std::int64_t values_per_row(const MethodNetworks& networks, const DetectorOptions& options) {
  std::int64_t values =
      4 * std::int64_t{networks.row_columns()} + std::int64_t{options.restarts} * (networks.generator().inputs() + 1);
  for (const Network& network : networks.networks) {
    if (!network) continue;
    for (const Network::Part& part : network.parts()) {
      for (int l = 0; l < part.mlp.layers(); ++l) values += part.mlp.layer(l).out;
    }
  }
  return values;
}

}  // namespace

ScoreStatistics statistics_of(Context& context, const std::vector<float>& values) {
  Arena arena(context);
  const auto input = arena.stack("scores", 1, 1, static_cast<std::int64_t>(values.size()));
  const auto out = arena.stack("quantiles", 1, 1, 3);
  context.backend().copy(input.data, values.data(), sizeof(float) * values.size(), context.stream());
  run(context, Quantile{.values = input, .count = 3, .probability = {0.05, 0.5, 0.95}, .out = out});
  float quantile[3];
  context.backend().copy(quantile, out.data, sizeof quantile, context.stream());
  context.synchronize();
  // 3.29: from the 5th to the 95th percentile of a unit normal.
  float spread = (quantile[2] - quantile[0]) / 3.29f;
  if (!(spread > 0.0f)) spread = std::max(1e-6f, 1e-6f * std::abs(quantile[1]));
  return {quantile[1], spread};
}

AnomalyModel::AnomalyModel(const Device& device, const DetectorOptions& resolved_options,
                           const MethodNetworks& networks)
    : device_(device),
      options_(resolved_options),
      networks_(networks),
      context_(device.make_context()),
      kept_(std::make_shared<Arena>(device.backend())),
      arena_(device.backend()) {
  for (const Role role : all_roles) {
    if (!networks_.has(role)) continue;
    weights_[static_cast<std::size_t>(role)] =
        kept_->stack(name_of(role), population(), 1, networks_[role].parameters());
  }
  statistics_ = kept_->stack("score statistics", population(), 1, 4);
  residual_statistics_.resize(population());
  discriminator_statistics_.resize(population());
}

AnomalyModel::AnomalyModel(const AnomalyModel& other)
    : device_(other.device_),
      options_(other.options_),
      networks_(other.networks_),
      context_(device_.make_context()),
      kept_(other.kept_),
      arena_(device_.backend()),
      column_scale_(other.column_scale_),
      weights_(other.weights_),
      residual_statistics_(other.residual_statistics_),
      discriminator_statistics_(other.discriminator_statistics_),
      chunk_limit_(other.chunk_limit_),
      statistics_(other.statistics_) {}

AnomalyModel::~AnomalyModel() = default;

std::unique_ptr<AnomalyModel> AnomalyModel::share() {
  context_.synchronize();  // the copy's stream does not wait for this one
  std::unique_ptr<AnomalyModel> other = copy();
  other->take_memory();
  return other;
}

std::int64_t AnomalyModel::chunk_rows() const {
  const bool together = device_.backend().runs_models_together();
  const std::int64_t model_rows = together ? device_chunk_model_rows : chunk_model_rows;
  const std::int64_t usual = !together && context_.threads() == 1 ? single_thread_rows : model_rows / population();
  const std::int64_t wanted = std::max<std::int64_t>(64, std::min(chunk_limit_, usual));
  const std::int64_t most = model_rows * usual_values_per_row / (values_per_row(networks_, options_) * population());
  return std::max<std::int64_t>(1, std::min(wanted, most));
}

void AnomalyModel::set_statistics(std::vector<ScoreStatistics> residual, std::vector<ScoreStatistics> discriminator) {
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

void AnomalyModel::take_weights(const GanTraining& training, std::int64_t first) {
  for (const Role role : all_roles) {
    if (!networks_.has(role)) continue;
    const StackView<const float> from = training.states()[role].scoring().slice_models(first, population());
    if (training.networks()[role].has_techniques()) {
      fold_weights(training.networks()[role], from, weights(role));
      continue;
    }
    context_.backend().copy(weights(role).data, from.data,
                            sizeof(float) * static_cast<std::size_t>(from.models * from.columns), context_.stream());
  }
}

/// Scoring has plain dense layers, whatever the network was trained with.
void AnomalyModel::fold_weights(const Network& network, StackView<const float> from, StackView<float> to) {
  for (std::int64_t m = 0; m < from.models; ++m) {
    const std::vector<float> plain = network.fold(download(context_, from.model(m).data, from.columns));
    context_.backend().copy(to.model(m).data, plain.data(), sizeof(float) * plain.size(), context_.stream());
    context_.synchronize();
  }
}

void AnomalyModel::take_memory() {
  feature_residual_ = arena_.stack("residuals per column", population(), chunk_rows(), networks_.row_columns());
}

Network::Buffers AnomalyModel::carve(const char* name, const Network& network, std::int64_t rows) {
  const std::int64_t models = population();
  return network.carve(arena_.take<float>(name, network.buffer_floats(models, rows)), models, rows);
}

void AnomalyModel::generate(StackView<const float> latent, StackView<float> out) {
  const Network& generator = networks_.generator();
  const std::int64_t part = std::min(generate_rows, latent.rows);
  Arena scratch(context_);
  const auto buffers = generator.carve(scratch.take<float>("activations", generator.buffer_floats(latent.models, part)),
                                       latent.models, part);
  for (std::int64_t first = 0; first < latent.rows; first += part) {
    const std::int64_t count = std::min(part, latent.rows - first);
    Network::Buffers window = buffers.slice_rows(0, count);
    if (generator.outputs() == out.columns) window.trunk().output.back() = out.slice_rows(first, count);
    generator.forward(context_, weight(Role::generator), {.x = latent.slice_rows(first, count), .z = {}}, window);
    if (generator.outputs() == out.columns) continue;
    const StackView<const float> means = window.result().slice_columns(0, out.columns);
    run(context_, FillMissing{.x = means, .replacement = means, .out = out.slice_rows(first, count)});
  }
}

/// The mean over the models of |x - G(z)|. Waits.
void AnomalyModel::add_feature_residual(MatrixView<const float> rows, float* feature_residual) {
  const std::int64_t models = population(), cells = rows.rows * rows.columns;
  std::fill_n(feature_residual, cells, 0.0f);
  for (std::int64_t m = 0; m < models; ++m) {
    const std::vector<float> found = download_rows(context_, feature_residual_.slice_rows(0, rows.rows).model(m));
    for (std::int64_t i = 0; i < cells; ++i) feature_residual[i] += found[i] / static_cast<float>(models);
  }
}

void AnomalyModel::combine(const RawScores& raw, StackView<float> scores) {
  run(context_, CombineScores{.residual = raw.residual,
                              .logit = raw.logit,
                              .statistics = statistics_,
                              .compress = options_.compress && options_.standardise,
                              .discriminator_weight = options_.discriminator_weight,
                              .score = scores});
}

std::vector<float> AnomalyModel::calibrate(MatrixView<const float> rows) {
  const std::int64_t models = population();
  learn_scales(rows);
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
  for (std::int64_t m = 0; m < models && options_.standardise; ++m) {
    std::vector<float> values = download(context_, residual.model(m).data, rows.rows);
    of_residual[m] = statistics_of(context_, values);
    std::fill(values.begin(), values.end(), 0.0f);
    if (needs_discriminator()) values = download(context_, logit.model(m).data, rows.rows);
    for (float& value : values) value = 0.0f - value;
    of_discriminator[m] = statistics_of(context_, values);
  }
  set_statistics(std::move(of_residual), std::move(of_discriminator));
  RawScores raw;
  raw.residual = residual;
  if (needs_discriminator()) raw.logit = logit;
  combine(raw, scores);
  return download(context_, scores.data, rows.rows);
}

void AnomalyModel::score(MatrixView<const float> rows, StackView<float> scores, float* feature_residual) {
  if (rows.rows == 0) return;
  context_.freeze_weights();
  combine(raw_scores(rows, feature_residual != nullptr), scores);
  if (feature_residual == nullptr) return;
  // Last, for it may leave other reconstructions: an explanation changes no score.
  explain(rows);
  add_feature_residual(rows, feature_residual);
}

void AnomalyModel::sample(std::int64_t count, std::uint64_t seed, float* rows) {
  if (!definition_of(options_.method).has_prior) {
    throw Error(ErrorCode::unsupported, std::string("a model of method ") + definition_of(options_.method).name +
                                            " cannot be sampled: its generator has no prior");
  }
  if (networks_.condition > 0) {
    throw Error(ErrorCode::unsupported, "a conditional model cannot be sampled without conditions");
  }
  const Network& generator = networks_.generator();
  const std::int64_t models = population(), columns = networks_.columns;
  const std::int64_t per_model = (count + models - 1) / models;
  const std::int64_t part = std::min(generate_rows, per_model);
  Arena arena(context_);
  const auto latent = arena.stack("latent", 1, part, networks_.latent);
  const auto buffers = generator.carve(arena.take<float>("activations", generator.buffer_floats(1, part)), 1, part);
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t first = 0; first < per_model; first += part) {
      RandomKey key{.seed = options_.seed + static_cast<std::uint64_t>(m), .purpose = RandomPurpose::sample};
      // The caller's seed chooses the stream, the window the step.
      key.seed ^= seed * 0x9E3779B97F4A7C15ull;
      key.step = static_cast<std::uint32_t>(first / part);
      run(context_, FillNormal{.out = latent, .key = key});
      generator.forward(context_, weight(Role::generator).slice_models(m, 1), {.x = latent, .z = {}}, buffers);
      // This model's rows stand `models` apart.
      const std::int64_t start = first * models + m;
      const std::int64_t wanted = std::min(part, start < count ? (count - start + models - 1) / models : 0);
      const MatrixView<float> generated = buffers.result().model(0);
      copy_rows(context_, MatrixView<const float>(generated.data, wanted, columns, generated.row_stride),
                MatrixView<float>(rows + start * columns, wanted, columns, models * columns));
    }
  }
  context_.synchronize();
}

}  // namespace cugad
