#include "host/methods/gan.hpp"

#include "host/training/gan_step.hpp"

namespace cugad {

extern constinit const MethodDefinition gan_definition{
    .method = Method::gan,
    .name = "gan",
    .networks = gan_networks,
    .step = make_step<GanStep>,
    .model = make_scorer<Gan>,
    .scores = {ScoreRule::discriminator, ScoreRule::bank, ScoreRule::search},
    .options = gan_options,
    .stops_by_coverage = true,
};

void Gan::take_memory(std::int64_t rows) {
  AnoGan::take_memory(rows);
  if (options_.score != ScoreRule::discriminator) return;
  if (!needs_discriminator()) judge_buffers_ = carve("activations", networks_.discriminator(), rows);
  // There is nothing to fill missing cells from: they count as 0, the training mean of a centred column.
  run(context_, FillUniform{.out = reconstruction_, .key = {}, .low = 0.0f, .high = 0.0f});
  context_.synchronize();  // scoring may be on another stream
}

AnomalyModel::RawScores Gan::raw_scores(MatrixView<const float> rows, bool with_residuals) {
  if (options_.score != ScoreRule::discriminator) return AnoGan::raw_scores(rows, with_residuals);
  RawScores raw;
  const StackView<const float> logit = judge(fill_missing(rows));
  const StackView<float> loss(loss_.data, population(), rows.rows, 1);
  run(context_, SigmoidCrossEntropy{.logit = logit,
                                    .target = 1.0f,
                                    .weight = 1.0f,
                                    .dlogit = {},
                                    .per_row = loss,
                                    .loss = {},
                                    .mean_probability = {}});
  raw.residual = loss;
  if (needs_discriminator()) raw.logit = logit;
  return raw;
}

/// D gives no residual per column: all are 0.
void Gan::explain(MatrixView<const float> rows) {
  if (options_.score != ScoreRule::discriminator) return AnoGan::explain(rows);
  run(context_, FillUniform{.out = feature_residual_.slice_rows(0, rows.rows), .key = {}, .low = 0.0f, .high = 0.0f});
}

}  // namespace cugad
