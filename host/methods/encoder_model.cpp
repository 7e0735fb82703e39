#include "host/methods/encoder_model.hpp"

#include <algorithm>
#include <cmath>

#include "host/backend/transfer.hpp"

namespace cugad {
namespace {

/// Residuals in units of their spread: what counts as no spread, and how much one column may say.
constexpr double smallest_spread = 1e-3;
constexpr float most_spreads = 20.0f;

}  // namespace

EncoderModel::EncoderModel(const Device& device, const DetectorOptions& resolved_options,
                           const MethodNetworks& networks)
    : AnoGan(device, resolved_options, networks) {
  if (resolved_options.column_spread) {
    column_scale_ = arena_.stack("column scale", population(), 1, networks.row_columns());
  }
}

bool EncoderModel::compares_features() const {
  return options_.score == ScoreRule::reconstruction && options_.lambda > 0.0f &&
         options_.discrimination >= Discrimination::feature_l1;
}

void EncoderModel::prepare() {
  AnoGan::prepare();
  const std::int64_t models = population(), rows = chunk_rows(), columns = networks_.row_columns();
  encoded_ = arena_.stack("latents of the rows", models, rows, search_inputs());
  total_ = arena_.stack("scores", models, rows, 1);
  pair_distance_ = arena_.stack("distances of pairs", models, rows, 1);
  const bool cycles = options_.score == ScoreRule::cycle_features || options_.score == ScoreRule::cycle_logits;
  const Role compared = cycles ? Role::cycle_discriminator : Role::discriminator;
  if (cycles) pairs_ = arena_.stack("pairs of rows", models, rows, 2 * columns);
  if (cycles || (options_.score == ScoreRule::reconstruction && options_.lambda > 0.0f)) {
    pair_buffers_ = carve("activations of pairs", networks_[compared], rows);
    if (cycles || compares_features()) query_buffers_ = carve("activations of queries", networks_[compared], rows);
  }
  if (options_.score == ScoreRule::latent) {
    const Role again = networks_.has(Role::second_encoder) ? Role::second_encoder : Role::encoder;
    second_encoder_buffers_ = carve("activations of the second encoder", networks_[again], rows);
  }
}

NetworkView EncoderModel::encoder_view() const {
  NetworkView view = networks_.encoder().trunk().view(weight(Role::encoder));
  view.layer[view.layers - 1].out = static_cast<std::int32_t>(search_inputs());
  return view;
}

ReconstructionScore EncoderModel::reconstruction_arguments(StackView<const float> x) const {
  ReconstructionScore args;
  args.encoder = encoder_view();
  args.generator = generator_view();
  args.x = x;
  args.residual_distance = options_.residual;
  args.discrimination_kind = Discrimination::none;
  args.lambda = 0.0f;
  args.latent = encoded_.slice_rows(0, x.rows);
  return args;
}

StackView<const float> EncoderModel::encode(MatrixView<const float> rows) {
  run(context_, reconstruction_arguments(shared_by(population(), rows)));
  return encoded_.slice_rows(0, rows.rows);
}

/// z, G(z) and their residual in one pass.
void EncoderModel::reconstruct(MatrixView<const float> rows, bool with_residuals) {
  ReconstructionScore args = reconstruction_arguments(shared_by(population(), rows));
  args.residual = loss_.slice_rows(0, rows.rows);
  args.reconstruction = reconstruction_.slice_rows(0, rows.rows);
  if (column_scale_) {
    args.column_scale = column_scale_;
    args.limit = most_spreads;
  }
  if (with_residuals) args.feature_residual = feature_residual_.slice_rows(0, rows.rows);
  run(context_, args);
}

/// The discrimination part of the score, per row: features or logit of the pair (x', z), or of (x, z).
StackView<const float> EncoderModel::discriminate(StackView<const float> filled) {
  const Network& judge = networks_.discriminator();
  const std::int64_t rows = filled.rows;
  const StackView<const float> weights = weight(Role::discriminator), z = encoded_.slice_rows(0, rows),
                               rebuilt = reconstruction_.slice_rows(0, rows);
  const StackView<float> out = pair_distance_.slice_rows(0, rows);
  const Network::Buffers pair = pair_buffers_.slice_rows(0, rows);
  if (!compares_features()) {
    const bool of_query = options_.judged_pair == JudgedPair::query;
    judge.forward(context_, weights, {.x = of_query ? filled : rebuilt, .z = z}, pair);
    run(context_, SigmoidCrossEntropy{.logit = pair.result(),
                                      .target = 1.0f,
                                      .weight = 1.0f,
                                      .dlogit = {},
                                      .per_row = out,
                                      .loss = {},
                                      .mean_probability = {}});
    return out;
  }
  const Network::Buffers query = query_buffers_.slice_rows(0, rows);
  judge.forward(context_, weights, {.x = filled, .z = z}, query);
  judge.forward(context_, weights, {.x = rebuilt, .z = z}, pair);
  RowDistance distance;
  distance.a = query.features();
  distance.b = pair.features();
  distance.metric = options_.discrimination == Discrimination::feature_l1   ? Distance::l1
                    : options_.discrimination == Discrimination::feature_l2 ? Distance::l2
                                                                            : Distance::squared;
  distance.distance = out;
  run(context_, distance);
  return out;
}

/// GANomaly: |E(x) - E'(x')|, E' its second encoder.
StackView<const float> EncoderModel::latent_distance(std::int64_t rows) {
  const Role again = networks_.has(Role::second_encoder) ? Role::second_encoder : Role::encoder;
  networks_[again].forward(context_, weight(again), {.x = reconstruction_.slice_rows(0, rows), .z = {}},
                           second_encoder_buffers_.slice_rows(0, rows));
  RowDistance distance;
  distance.a = encoded_.slice_rows(0, rows);
  distance.b = second_encoder_buffers_.result().slice_rows(0, rows).slice_columns(0, encoded_.columns);
  distance.metric = options_.residual;
  distance.distance = total_.slice_rows(0, rows);
  run(context_, distance);
  return distance.distance;
}

/// ALAD: what D(x, x') says of (x, x) and (x, G(E(x))).
StackView<const float> EncoderModel::cycle_score(StackView<const float> filled) {
  const Network& judge = networks_[Role::cycle_discriminator];
  const StackView<const float> weights = weight(Role::cycle_discriminator);
  const std::int64_t rows = filled.rows, columns = filled.columns;
  const StackView<float> pairs = pairs_.slice_rows(0, rows), out = total_.slice_rows(0, rows);
  const auto put = [&](StackView<const float> from, std::int64_t first) {
    run(context_, FillMissing{.x = from, .replacement = from, .out = pairs.slice_columns(first, columns)});
  };
  put(filled, 0);
  const Network::Buffers query = query_buffers_.slice_rows(0, rows), pair = pair_buffers_.slice_rows(0, rows);
  if (options_.score == ScoreRule::cycle_features) {
    put(filled, columns);
    judge.forward(context_, weights, {.x = pairs, .z = {}}, query);
  }
  put(reconstruction_.slice_rows(0, rows), columns);
  judge.forward(context_, weights, {.x = pairs, .z = {}}, pair);
  if (options_.score == ScoreRule::cycle_logits) {
    run(context_, SigmoidCrossEntropy{.logit = pair.result(),
                                      .target = 1.0f,
                                      .weight = 1.0f,
                                      .dlogit = {},
                                      .per_row = out,
                                      .loss = {},
                                      .mean_probability = {}});
    return out;
  }
  RowDistance distance;
  distance.a = query.features();
  distance.b = pair.features();
  distance.metric = Distance::l1;
  distance.distance = out;
  run(context_, distance);
  return out;
}

AnomalyModel::RawScores EncoderModel::raw_scores(MatrixView<const float> rows, bool with_residuals) {
  if (!reconstructs()) {
    if (needs_discriminator() && networks_.discriminator().is_joint()) encode(rows);  // D judges (x, E(x))
    return AnoGan::raw_scores(rows, with_residuals);
  }
  const std::int64_t count = rows.rows;
  reconstruct(rows, with_residuals);
  const StackView<const float> residual = loss_.slice_rows(0, count);
  const bool cycles = options_.score == ScoreRule::cycle_features || options_.score == ScoreRule::cycle_logits;
  const bool discriminates = options_.score == ScoreRule::reconstruction && options_.lambda > 0.0f;
  StackView<const float> filled;
  if (cycles || discriminates || needs_discriminator()) filled = fill_missing(rows);
  RawScores raw;
  if (options_.score == ScoreRule::latent) {
    raw.residual = latent_distance(count);
  } else if (cycles) {
    raw.residual = cycle_score(filled);
  } else if (discriminates) {
    const StackView<const float> discrimination = discriminate(filled);
    const StackView<float> total = total_.slice_rows(0, count);
    run(context_, FillUniform{.out = total, .key = {}, .low = 0.0f, .high = 0.0f});
    run(context_, AddRows{.x = residual, .scale = 1.0f - options_.lambda, .y = total});
    run(context_, AddRows{.x = discrimination, .scale = options_.lambda, .y = total});
    raw.residual = total;
  } else {
    raw.residual = residual;
  }
  if (needs_discriminator()) raw.logit = judge(filled);
  return raw;
}

StackView<const float> EncoderModel::judge(StackView<const float> filled) {
  const Network& judge = networks_.discriminator();
  if (!judge.is_joint()) return AnoGan::judge(filled);
  const Network::Buffers buffers = judge_buffers_.slice_rows(0, filled.rows);
  judge.forward(context_, weight(Role::discriminator), {.x = filled, .z = encoded_.slice_rows(0, filled.rows)},
                buffers);
  return buffers.result();
}

/// raw_scores has filled the residuals of a reconstruction.
void EncoderModel::explain(MatrixView<const float> rows) {
  if (!reconstructs()) AnoGan::explain(rows);
}

/// The standard deviation of x - G(E(x)) per column on training rows.
void EncoderModel::learn_scales(MatrixView<const float> rows) {
  if (!column_scale_) return;
  const std::int64_t models = population(), columns = rows.columns;
  std::vector<float> ones(static_cast<std::size_t>(models * columns), 1.0f);
  context_.backend().copy(column_scale_.data, ones.data(), sizeof(float) * ones.size(), context_.stream());
  std::vector<double> sum(ones.size()), squares(ones.size()), count(ones.size());
  for (std::int64_t first = 0; first < rows.rows; first += chunk_rows()) {
    const std::int64_t some = std::min(chunk_rows(), rows.rows - first);
    const MatrixView<const float> part(rows.row(first), some, columns, rows.row_stride);
    reconstruct(part, false);
    const std::vector<float> x = download_rows(context_, part);
    for (std::int64_t m = 0; m < models; ++m) {
      const std::vector<float> rebuilt = download_rows(context_, reconstruction_.slice_rows(0, some).model(m));
      for (std::int64_t i = 0; i < some * columns; ++i) {
        const auto at = static_cast<std::size_t>(m * columns + i % columns);
        const double residual = double{x[i]} - rebuilt[i];
        if (std::isnan(residual)) continue;
        sum[at] += residual;
        squares[at] += residual * residual;
        count[at] += 1.0;
      }
    }
  }
  for (std::size_t i = 0; i < ones.size(); ++i) {
    const double n = std::max(1.0, count[i]), mean = sum[i] / n;
    ones[i] = static_cast<float>(1.0 / std::max(smallest_spread, std::sqrt(std::max(0.0, squares[i] / n - mean * mean))));
  }
  context_.backend().copy(column_scale_.data, ones.data(), sizeof(float) * ones.size(), context_.stream());
  context_.synchronize();
}

}  // namespace cugad
