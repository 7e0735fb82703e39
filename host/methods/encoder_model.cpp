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
    column_scale_ = kept_->stack("column scale", population(), 1, networks.row_columns());
  }
}

bool EncoderModel::discriminates() const {
  return options_.score == ScoreRule::reconstruction && score_weights().discrimination > 0.0f &&
         options_.discrimination != Discrimination::none;
}
bool EncoderModel::compares_features() const {
  return discriminates() && options_.discrimination >= Discrimination::feature_l1;
}
/// The score's own pass of D over (x, E(x)) serves the discriminator's share of the score, too.
bool EncoderModel::judges_query() const {
  return compares_features() || (discriminates() && options_.judged_pair == JudgedPair::query);
}

void EncoderModel::draw() {
  AnoGan::draw();
  carry_conditions();
}

void EncoderModel::take_memory(std::int64_t rows) {
  AnoGan::take_memory(rows);
  const std::int64_t models = population(), columns = networks_.row_columns();
  encoded_ = arena_.stack("latents of the rows", models, rows, search_inputs());
  total_ = arena_.stack("scores", models, rows, 1);
  pair_distance_ = arena_.stack("distances of pairs", models, rows, 1);
  const bool cycles = scores_cycles();
  const Role compared = cycles ? Role::cycle_discriminator : Role::discriminator;
  if (cycles) {
    // Both halves are written where the pairs want them.
    pairs_ = arena_.stack("pairs of rows", models, rows, 2 * columns);
    filled_ = pairs_.slice_columns(0, columns);
    reconstruction_ = pairs_.slice_columns(columns, columns);
  }
  if (cycles || discriminates()) {
    features_ = networks_[compared].hidden();
    pair_buffers_ = carve("activations of pairs", networks_[compared], rows);
    if (cycles || compares_features()) query_buffers_ = carve("activations of queries", networks_[compared], rows);
  }
  if (options_.score == ScoreRule::discriminator && !needs_discriminator()) {
    judge_buffers_ = carve("activations", networks_.discriminator(), rows);
  }
  if (options_.score == ScoreRule::latent) {
    const Role again = networks_.has(Role::second_encoder) ? Role::second_encoder : Role::encoder;
    second_encoder_buffers_ = carve("activations of the second encoder", networks_[again], rows);
  }
}

void EncoderModel::carry_conditions() {
  if (networks_.condition == 0) return;
  // Without an encoder (translation) the conditions are all that G takes.
  const bool has_encoder = networks_.has(Role::encoder);
  const Mlp none(networks_.row_columns(), {LayerSpec{}});
  const StackView<float> no_weights =
      has_encoder ? StackView<float>() : kept_->stack("no encoder", population(), 1, none.parameters());
  carried_encoder_ =
      carry_condition("encoder that carries the condition", has_encoder ? networks_.encoder().trunk() : none,
                      has_encoder ? weight(Role::encoder) : StackView<const float>(no_weights), networks_.latent,
                      carried_encoder_weights_);
}

NetworkView EncoderModel::encoder_view() const {
  if (networks_.condition > 0) return carried_encoder_.view(carried_encoder_weights_);
  return first_outputs(networks_.encoder().trunk().view(weight(Role::encoder)), networks_.latent);
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
  const StackView<const float> weights = weight(Role::discriminator), z = latents(rows),
                               rebuilt = reconstruction_.slice_rows(0, rows);
  const StackView<float> out = pair_distance_.slice_rows(0, rows);
  const Network::Buffers pair = pair_buffers_.slice_rows(0, rows);
  if (!compares_features()) {
    judge.forward(context_, weights, {.x = judges_query() ? filled : rebuilt, .z = z}, pair);
    take_loss(pair.result(), out);
    return out;
  }
  const Network::Buffers query = query_buffers_.slice_rows(0, rows);
  (needs_discriminator() ? judge : features_).forward(context_, weights, {.x = filled, .z = z}, query);
  features_.forward(context_, weights, {.x = rebuilt, .z = z}, pair);
  const Distance metric = options_.discrimination == Discrimination::feature_l1   ? Distance::l1
                          : options_.discrimination == Discrimination::feature_l2 ? Distance::l2
                                                                                  : Distance::squared;
  take_distance(query.features(), pair.features(), metric, out);
  return out;
}

/// softplus(-logit): how little D takes the pairs for real ones.
void EncoderModel::take_loss(StackView<const float> logit, StackView<float> out) {
  run(context_, SigmoidCrossEntropy{.logit = logit,
                                    .target = 1.0f,
                                    .weight = 1.0f,
                                    .dlogit = {},
                                    .per_row = out,
                                    .loss = {},
                                    .mean_probability = {}});
}

void EncoderModel::take_distance(StackView<const float> a, StackView<const float> b, Distance metric,
                                 StackView<float> out) {
  RowDistance distance;
  distance.a = a;
  distance.b = b;
  distance.metric = metric;
  distance.distance = out;
  run(context_, distance);
}

/// GANomaly: |E(x) - E'(x')|, E' its second encoder.
StackView<const float> EncoderModel::latent_distance(std::int64_t rows) {
  const Role again = networks_.has(Role::second_encoder) ? Role::second_encoder : Role::encoder;
  networks_[again].forward(context_, weight(again), {.x = reconstruction_.slice_rows(0, rows), .z = {}},
                           second_encoder_buffers_.slice_rows(0, rows));
  const StackView<float> out = total_.slice_rows(0, rows);
  take_distance(latents(rows), second_encoder_buffers_.result().slice_rows(0, rows).slice_columns(0, networks_.latent),
                options_.residual, out);
  return out;
}

/// ALAD: what D(x, x') says of (x, x) and (x, G(E(x))).
StackView<const float> EncoderModel::cycle_score(StackView<const float> filled) {
  const Network& judge = networks_[Role::cycle_discriminator];
  const StackView<const float> weights = weight(Role::cycle_discriminator);
  const std::int64_t rows = filled.rows;
  const StackView<const float> pairs = pairs_.slice_rows(0, rows);
  const StackView<float> second = reconstruction_.slice_rows(0, rows), out = total_.slice_rows(0, rows);
  const Network::Buffers query = query_buffers_.slice_rows(0, rows), pair = pair_buffers_.slice_rows(0, rows);
  if (options_.score == ScoreRule::cycle_logits) {
    judge.forward(context_, weights, {.x = pairs, .z = {}}, pair);
    take_loss(pair.result(), out);
    return out;
  }
  features_.forward(context_, weights, {.x = pairs, .z = {}}, pair);
  run(context_, FillMissing{.x = filled, .replacement = filled, .out = second});
  features_.forward(context_, weights, {.x = pairs, .z = {}}, query);
  take_distance(query.features(), pair.features(), Distance::l1, out);
  return out;
}

AnomalyModel::RawScores EncoderModel::raw_scores(MatrixView<const float> rows, bool with_residuals) {
  if (!reconstructs()) {
    if (needs_discriminator() && networks_.discriminator().is_joint()) encode(rows);  // D judges (x, E(x))
    return AnoGan::raw_scores(rows, with_residuals);
  }
  const std::int64_t count = rows.rows;
  reconstruct(rows, with_residuals);
  const bool alone = options_.score == ScoreRule::discriminator;
  const StackView<const float> residual = loss_.slice_rows(0, count);
  const StackView<float> total = total_.slice_rows(0, count);
  StackView<const float> filled;
  if (alone || scores_cycles() || discriminates() || needs_discriminator()) filled = fill_missing(rows);
  RawScores raw;
  raw.residual = residual;
  if (options_.score == ScoreRule::latent) {
    raw.residual = latent_distance(count);
  } else if (scores_cycles()) {
    raw.residual = cycle_score(filled);
  } else if (discriminates()) {
    const StackView<const float> discrimination = discriminate(filled);
    run(context_, FillUniform{.out = total, .key = {}, .low = 0.0f, .high = 0.0f});
    run(context_, AddRows{.x = residual, .scale = score_weights().residual, .y = total});
    run(context_, AddRows{.x = discrimination, .scale = score_weights().discrimination, .y = total});
    raw.residual = total;
  }
  if (judges_query()) {
    raw.logit = (compares_features() ? query_buffers_ : pair_buffers_).slice_rows(0, count).result();
  } else if (alone || needs_discriminator()) {
    raw.logit = judge(filled);
  }
  if (alone) {
    take_loss(raw.logit, total);
    raw.residual = total;
  }
  if (!needs_discriminator()) raw.logit = {};
  return raw;
}

StackView<const float> EncoderModel::judge(StackView<const float> filled) {
  const Network& judge = networks_.discriminator();
  if (!judge.is_joint()) return AnoGan::judge(filled);
  const Network::Buffers buffers = judge_buffers_.slice_rows(0, filled.rows);
  judge.forward(context_, weight(Role::discriminator), {.x = filled, .z = latents(filled.rows)}, buffers);
  return buffers.result();
}

AnomalyModel::AbsentForm EncoderModel::absent_form() const {
  if (!reconstructs()) return AnoGan::absent_form();
  if (options_.score != ScoreRule::reconstruction) return {};
  return sum_over_columns(discriminates() ? score_weights().residual : 1.0f);
}

float EncoderModel::largest_scaled_residual() const {
  return scores_in_column_scales() ? most_spreads : AnoGan::largest_scaled_residual();
}

/// raw_scores has filled the residuals of a reconstruction.
void EncoderModel::explain(MatrixView<const float> rows) {
  if (!reconstructs()) AnoGan::explain(rows);
}

/// The standard deviation of x - G(E(x)) per column on rows that are new to the model.
void EncoderModel::learn_scales(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin) {
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
      const RowRange unseen = new_rows(m, fold_begin);
      const std::vector<float> rebuilt = download_rows(context_, reconstruction_.slice_rows(0, some).model(m));
      for (std::int64_t i = 0; i < some * columns; ++i) {
        if (!unseen.contains(first + i / columns)) continue;
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
    ones[i] =
        static_cast<float>(1.0 / std::max(smallest_spread, std::sqrt(std::max(0.0, squares[i] / n - mean * mean))));
  }
  // What is given is not judged.
  for (std::size_t i = 0; i < ones.size(); ++i) {
    if (static_cast<std::int64_t>(i) % columns >= networks_.columns) ones[i] = 0.0f;
  }
  context_.backend().copy(column_scale_.data, ones.data(), sizeof(float) * ones.size(), context_.stream());
  context_.synchronize();
}

}  // namespace cugad
