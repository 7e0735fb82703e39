#include "tests/ops/refusals.hpp"

/// Every op refuses what its contract forbids: Error{invalid_argument} that names the op and the field, before anything
/// is written; can_run returns the same reason without running.
namespace cugad::test {
namespace {

TEST(contract, dense_forward) {
  DenseForward good;
  good.x = matrix(numbers, 5, 3);
  good.weight = matrix(numbers + 100, 4, 3);
  good.bias = matrix(numbers + 200, 1, 4);
  good.y = matrix(numbers + 300, 5, 4);
  expect_refusals<DenseForward>(
      "dense_forward", good,
      {{"x", [](auto& a) { a.x.rows = 4; }},
       {"x", [](auto& a) { a.x.data = nullptr; }},
       {"x", [](auto& a) { a.x.row_stride = 2; }},
       {"weight", [](auto& a) { a.weight.columns = 2; }},
       {"weight", [](auto& a) { a.weight.models = 2; }},
       {"weight", [](auto& a) { a.weight.data = nullptr; }},
       {"bias", [](auto& a) { a.bias.columns = 5; }},
       {"y", [](auto& a) { a.y.data = nullptr; }},
       {"derivative_of", [](auto& a) { a.derivative_of = matrix<const float>(numbers, 5, 3); }},
       {"slope", [](auto& a) { a.activation = Activation::leaky_relu; }},
       {"rate", [](auto& a) { a.dropout.rate = 1.0f; }},
       {"rate", [](auto& a) { a.dropout.rate = not_a_number; }},
       {"activation", [](auto& a) { a.activation = static_cast<Activation>(17); }}});
  // Models may share inputs but not outputs.
  DenseForward two = good;
  two.x = {numbers, 2, 5, 3, 0, 3};
  two.weight = {numbers + 100, 2, 4, 3, 0, 3};
  two.bias = {};
  two.y = {numbers + 300, 2, 5, 4, 20, 4};
  expect_refusals<DenseForward>(
      "dense_forward", two,
      {{"y", [](auto& a) { a.y.model_stride = 0; }}, {"y", [](auto& a) { a.y.model_stride = 19; }}});
}

TEST(contract, dense_backward) {
  DenseBackward good;
  good.x = matrix(numbers, 5, 3);
  good.weight = matrix(numbers + 100, 4, 3);
  good.y = matrix(numbers + 200, 5, 4);
  good.dy = matrix(numbers + 300, 5, 4);
  good.dx = matrix(numbers + 400, 5, 3);
  good.dweight = matrix(numbers + 500, 4, 3);
  good.dbias = matrix(numbers + 600, 1, 4);
  good.activation = Activation::relu;
  expect_refusals<DenseBackward>("dense_backward", good,
                                 {{"x", [](auto& a) { a.x.columns = 2; }},
                                  {"x", [](auto& a) { a.x.data = nullptr; }},
                                  {"weight", [](auto& a) { a.weight.rows = 3; }},
                                  {"y", [](auto& a) { a.y.data = nullptr; }},
                                  {"dy", [](auto& a) { a.dy.data = nullptr; }},
                                  {"dx", [](auto& a) { a.dx.rows = 6; }},
                                  {"dweight", [](auto& a) { a.dweight.columns = 4; }},
                                  {"dbias", [](auto& a) { a.dbias.columns = 3; }},
                                  {"rate", [](auto& a) { a.dropout_rate = -0.1f; }}});
}

TEST(contract, sigmoid_cross_entropy) {
  SigmoidCrossEntropy good;
  good.logit = matrix(numbers, 5, 1);
  good.dlogit = matrix(numbers + 10, 5, 1);
  expect_refusals<SigmoidCrossEntropy>(
      "sigmoid_cross_entropy", good,
      {{"logit", [](auto& a) { a.logit.columns = 2; }},
       {"logit", [](auto& a) { a.logit.data = nullptr; }},
       {"dlogit", [](auto& a) { a.dlogit.rows = 4; }},
       {"per_row", [](auto& a) { a.per_row = matrix(numbers, 4, 1); }},
       {"loss", [](auto& a) { a.loss = matrix(numbers, 5, 1); }},
       {"mean_probability", [](auto& a) { a.mean_probability = matrix(numbers, 2, 1); }},
       {"target", [](auto& a) { a.target = 1.5f; }},
       {"target", [](auto& a) { a.target = not_a_number; }}});
}

TEST(contract, adam) {
  Adam good;
  good.parameter = matrix(numbers, 1, 9);
  good.gradient = matrix(numbers + 10, 1, 9);
  good.first_moment = matrix(numbers + 20, 1, 9);
  good.second_moment = matrix(numbers + 30, 1, 9);
  expect_refusals<Adam>("adam", good,
                        {{"parameter", [](auto& a) { a.parameter.data = nullptr; }},
                         {"gradient", [](auto& a) { a.gradient.columns = 8; }},
                         {"first_moment", [](auto& a) { a.first_moment.rows = 2; }},
                         {"second_moment", [](auto& a) { a.second_moment.models = 2; }},
                         {"average", [](auto& a) { a.average = matrix(numbers, 1, 8); }},
                         {"model_scale", [](auto& a) { a.model_scale = matrix<const float>(numbers, 1, 2); }},
                         {"squared_norm", [](auto& a) { a.squared_norm = matrix(numbers, 2, 1); }},
                         {"beta1", [](auto& a) { a.beta1 = 1.0f; }},
                         {"beta2", [](auto& a) { a.beta2 = not_a_number; }},
                         {"epsilon", [](auto& a) { a.epsilon = -1.0f; }},
                         {"step", [](auto& a) { a.step = 0; }},
                         {"step_stride", [](auto& a) { a.step_stride = 0; }}});
}

TEST(contract, advance_step) {
  std::uint32_t counter = 0;
  AdvanceStep good;
  good.step_counter = &counter;
  expect_refusals<AdvanceStep>("advance_step", good,
                               {{"step_counter", [](auto& a) { a.step_counter = nullptr; }},
                                {"final_rate", [](auto& a) { a.final_rate = -0.1; }},
                                {"final_rate", [](auto& a) { a.final_rate = not_a_number; }},
                                {"decay_steps", [](auto& a) { a.decay_steps = 0; }}});
  EXPECT_EQ(counter, 0u);
}

TEST(contract, latent_search) {
  LatentSearch good;
  good.generator.layers = 1;
  good.generator.layer[0] = {numbers, numbers + 20, 0, 2, 3, Activation::identity, 0.0f};
  good.discriminator.layers = 2;
  good.discriminator.layer[0] = {numbers + 40, numbers + 60, 0, 3, 4, Activation::relu, 0.0f};
  good.discriminator.layer[1] = {numbers + 80, numbers + 90, 0, 4, 1, Activation::identity, 0.0f};
  good.x = matrix<const float>(numbers + 100, 5, 3);
  good.z = matrix(numbers + 200, 10, 2);
  good.restarts = 2;
  good.loss = matrix(numbers + 300, 5, 1);
  expect_refusals<LatentSearch>(
      "latent_search", good,
      {{"x", [](auto& a) { a.x.data = nullptr; }},
       {"z", [](auto& a) { a.z.rows = 9; }},
       {"z", [](auto& a) { a.z.data = nullptr; }},
       {"restarts", [](auto& a) { a.restarts = 0; }},
       {"steps", [](auto& a) { a.steps = -1; }},
       {"fixed_columns", [](auto& a) { a.fixed_columns = -1; }},
       {"fixed_columns", [](auto& a) { a.fixed_columns = 3; }},
       {"generator", [](auto& a) { a.generator.layers = 0; }},
       {"generator", [](auto& a) { a.generator.layers = 9; }},
       {"generator", [](auto& a) { a.generator.layer[0].in = 3; }},
       {"generator", [](auto& a) { a.generator.layer[0].weight = nullptr; }},
       {"discriminator", [](auto& a) { a.discriminator.layers = 1; }},
       {"discriminator", [](auto& a) { a.discriminator.layer[1].bias = nullptr; }},
       {"discriminator", [](auto& a) { a.discriminator.layer[1].activation = Activation::sigmoid; }},
       {"slope", [](auto& a) { a.discriminator.layer[0].activation = Activation::leaky_relu; }},
       {"schedule", [](auto& a) { a.learning_rate.pieces = 5; }},
       {"loss", [](auto& a) { a.loss.rows = 10; }},
       {"best_z", [](auto& a) { a.best_z = matrix(numbers, 10, 2); }},
       {"feature_residual", [](auto& a) { a.feature_residual = matrix(numbers, 5, 2); }},
       {"reconstruction", [](auto& a) { a.reconstruction = matrix(numbers, 4, 3); }},
       {"residual", [](auto& a) { a.residual = matrix(numbers, 4, 1); }},
       {"discrimination", [](auto& a) { a.discrimination = matrix(numbers, 5, 2); }}});
}

TEST(contract, reconstruction_score) {
  ReconstructionScore good;
  good.encoder.layers = 1;
  good.encoder.layer[0] = {numbers + 400, numbers + 410, 0, 3, 2, Activation::identity, 0.0f};
  good.generator.layers = 1;
  good.generator.layer[0] = {numbers, numbers + 20, 0, 2, 3, Activation::identity, 0.0f};
  good.discriminator.layers = 2;
  good.discriminator.layer[0] = {numbers + 40, numbers + 60, 0, 3, 4, Activation::relu, 0.0f};
  good.discriminator.layer[1] = {numbers + 80, numbers + 90, 0, 4, 1, Activation::identity, 0.0f};
  good.x = matrix<const float>(numbers + 100, 5, 3);
  good.loss = matrix(numbers + 300, 5, 1);
  expect_refusals<ReconstructionScore>(
      "reconstruction_score", good,
      {{"x", [](auto& a) { a.x.data = nullptr; }},
       {"encoder", [](auto& a) { a.encoder.layers = 0; }},
       {"encoder", [](auto& a) { a.encoder.layer[0].out = 3; }},
       {"generator", [](auto& a) { a.generator.layer[0].weight = nullptr; }},
       {"generator", [](auto& a) { a.generator.layer[0].out = 4; }},
       {"discriminator", [](auto& a) { a.discriminator.layers = 1; }},
       {"discriminator", [](auto& a) { a.discriminator.layer[1].activation = Activation::sigmoid; }},
       {"slope", [](auto& a) { a.discriminator.layer[0].activation = Activation::leaky_relu; }},
       {"residual distance", [](auto& a) { a.residual_distance = static_cast<Distance>(5); }},
       {"discrimination", [](auto& a) { a.discrimination_kind = static_cast<Discrimination>(7); }},
       {"column_scale", [](auto& a) { a.column_scale = matrix<const float>(numbers, 1, 2); }},
       {"column_scale", [](auto& a) { a.column_scale = matrix<const float>(numbers, 2, 3); }},
       {"limit", [](auto& a) { a.limit = -1.0f; }},
       {"limit", [](auto& a) { a.limit = not_a_number; }},
       {"loss", [](auto& a) { a.loss.rows = 10; }},
       {"latent", [](auto& a) { a.latent = matrix(numbers, 5, 3); }},
       {"feature_residual", [](auto& a) { a.feature_residual = matrix(numbers, 5, 2); }},
       {"reconstruction", [](auto& a) { a.reconstruction = matrix(numbers, 4, 3); }},
       {"residual", [](auto& a) { a.residual = matrix(numbers, 4, 1); }}});
}

TEST(contract, rows) {
  RowDistance distance;
  distance.a = matrix<const float>(numbers, 5, 3);
  distance.b = matrix<const float>(numbers + 20, 5, 3);
  distance.distance = matrix(numbers + 40, 5, 1);
  expect_refusals<RowDistance>("row_distance", distance,
                               {{"a", [](auto& a) { a.a.data = nullptr; }},
                                {"b", [](auto& a) { a.b.columns = 2; }},
                                {"distance", [](auto& a) { a.distance.rows = 4; }},
                                {"metric", [](auto& a) { a.metric = static_cast<Distance>(9); }},
                                {"column_scale", [](auto& a) { a.column_scale = matrix<const float>(numbers, 1, 2); }},
                                {"limit", [](auto& a) { a.limit = not_a_number; }},
                                {"limit", [](auto& a) { a.limit = -1.0f; }}});
  NearestRows nearest;
  nearest.query = matrix<const float>(numbers, 5, 3);
  nearest.bank = matrix<const float>(numbers + 20, 4, 3);
  nearest.neighbours = 2;
  nearest.distance = matrix(numbers + 40, 5, 2);
  expect_refusals<NearestRows>("nearest_rows", nearest,
                               {{"query", [](auto& a) { a.query.data = nullptr; }},
                                {"bank", [](auto& a) { a.bank.columns = 2; }},
                                {"distance", [](auto& a) { a.distance.columns = 3; }},
                                {"index", [](auto& a) { a.index = matrix(indices, 5, 3); }},
                                {"neighbours", [](auto& a) { a.neighbours = 0, a.distance = matrix(numbers, 5, 0); }},
                                {"neighbours", [](auto& a) { a.neighbours = 5, a.distance = matrix(numbers, 5, 5); }},
                                {"metric", [](auto& a) { a.metric = static_cast<Distance>(9); }}});
  GatherRows gather;
  gather.source = matrix<const float>(numbers, 5, 3);
  gather.index = matrix<const std::int32_t>(indices, 4, 1);
  gather.out = matrix(numbers + 40, 4, 3);
  expect_refusals<GatherRows>("gather_rows", gather,
                              {{"source", [](auto& a) { a.source.columns = 4; }},
                               {"index", [](auto& a) { a.index.data = nullptr; }},
                               {"index", [](auto& a) { a.index.rows = 3; }},
                               {"out", [](auto& a) { a.out.data = nullptr; }}});
  FenceRows fence;
  fence.real = matrix<const float>(numbers, 5, 3);
  fence.out = matrix(numbers + 40, 5, 3);
  expect_refusals<FenceRows>("fence_rows", fence,
                             {{"real", [](auto& a) { a.real.data = nullptr; }},
                              {"out", [](auto& a) { a.out.rows = 4; }},
                              {"limit", [](auto& a) { a.limit = not_a_number; }}});
}

TEST(contract, random) {
  SampleRows sample;
  sample.index = matrix(indices, 5, 1);
  sample.source_rows = 9;
  expect_refusals<SampleRows>(
      "sample_rows", sample,
      {{"index", [](auto& a) { a.index.columns = 2; }},
       {"index", [](auto& a) { a.index.data = nullptr; }},
       {"source_rows", [](auto& a) { a.source_rows = 0; }},
       {"row_count", [](auto& a) { a.first_row = matrix<const std::int32_t>(indices, 1, 1); }}});
  FillNormal normal;
  normal.out = matrix(numbers, 5, 3);
  expect_refusals<FillNormal>("fill_normal", normal,
                              {{"out", [](auto& a) { a.out.data = nullptr; }},
                               {"out", [](auto& a) { a.out.row_stride = 2; }},
                               {"deviation", [](auto& a) { a.deviation = not_a_number; }}});
  FillUniform uniform;
  uniform.out = matrix(numbers, 5, 3);
  expect_refusals<FillUniform>("fill_uniform", uniform,
                               {{"out", [](auto& a) { a.out.data = nullptr; }},
                                {"out", [](auto& a) { a.out.models = -1; }},
                                {"high", [](auto& a) { a.high = not_a_number; }}});
}

TEST(contract, columns) {
  ColumnStatistics statistics;
  statistics.x = matrix<const float>(numbers, 5, 3);
  statistics.out = matrix(doubles, 6, 3);
  expect_refusals<ColumnStatistics>("column_statistics", statistics,
                                    {{"x", [](auto& a) { a.x.data = nullptr; }},
                                     {"out", [](auto& a) { a.out.rows = 5; }},
                                     {"out", [](auto& a) { a.out.data = nullptr; }}});
  ScaleColumns scale;
  scale.x = matrix<const float>(numbers, 5, 3);
  scale.shift = matrix<const double>(doubles, 1, 3);
  scale.scale = matrix<const double>(doubles + 10, 1, 3);
  scale.y = matrix(numbers + 20, 5, 3);
  expect_refusals<ScaleColumns>("scale_columns", scale,
                                {{"shift", [](auto& a) { a.shift.columns = 2; }},
                                 {"scale", [](auto& a) { a.scale.data = nullptr; }},
                                 {"log1p", [](auto& a) { a.log1p = matrix<const std::uint8_t>(flags, 1, 2); }},
                                 {"y", [](auto& a) { a.y.rows = 4; }}});
  Quantile quantile;
  quantile.values = matrix<const float>(numbers, 5, 3);
  quantile.out = matrix(numbers + 20, 5, 1);
  expect_refusals<Quantile>("quantile", quantile,
                            {{"values", [](auto& a) { a.values.columns = 0; }},
                             {"out", [](auto& a) { a.out.columns = 2; }},
                             {"count", [](auto& a) { a.count = 17, a.out.columns = 17, a.out.row_stride = 17; }},
                             {"probability", [](auto& a) { a.probability[0] = 1.1; }}});
  Coverage coverage;
  coverage.generated = matrix<const float>(numbers, 5, 3);
  coverage.real = matrix<const float>(numbers + 20, 4, 3);
  coverage.dgenerated = matrix(numbers + 40, 5, 3);
  expect_refusals<Coverage>("coverage", coverage,
                            {{"generated", [](auto& a) { a.generated.data = nullptr; }},
                             {"generated", [](auto& a) { a.generated.rows = a.dgenerated.rows = 0; }},
                             {"real", [](auto& a) { a.real.columns = 2; }},
                             {"dgenerated", [](auto& a) { a.dgenerated.data = nullptr; }},
                             {"loss", [](auto& a) { a.loss = matrix(numbers, 1, 2); }}});
}

TEST(contract, ranking_metrics) {
  RankingMetrics ranking;
  ranking.score = matrix<const float>(numbers, 5, 3);
  ranking.label = matrix<const std::uint8_t>(flags, 5, 3);
  ranking.out = matrix(doubles, 5, 2);
  expect_refusals<RankingMetrics>("ranking_metrics", ranking,
                                  {{"score", [](auto& a) { a.score.data = nullptr; }},
                                   {"score", [](auto& a) { a.score.columns = a.label.columns = 0; }},
                                   {"label", [](auto& a) { a.label.columns = 2; }},
                                   {"label", [](auto& a) { a.label.data = nullptr; }},
                                   {"out", [](auto& a) { a.out.columns = 1; }}});
}

TEST(contract, scoring_rows) {
  FillMissing fill;
  fill.x = matrix<const float>(numbers, 5, 3);
  fill.replacement = matrix<const float>(numbers + 20, 5, 3);
  fill.out = matrix(numbers + 40, 5, 3);
  expect_refusals<FillMissing>("fill_missing", fill,
                               {{"x", [](auto& a) { a.x.columns = 2; }},
                                {"replacement", [](auto& a) { a.replacement.data = nullptr; }},
                                {"out", [](auto& a) { a.out.data = nullptr; }}});
  ContentIndex index;
  index.x = matrix<const float>(numbers, 5, 3);
  index.index = matrix(indices, 5, 1);
  expect_refusals<ContentIndex>("content_index", index,
                                {{"x", [](auto& a) { a.x.data = nullptr; }},
                                 {"pool", [](auto& a) { a.pool = 0; }},
                                 {"draws", [](auto& a) { a.draws = 0; }},
                                 {"index", [](auto& a) { a.draws = 2; }}});
  CombineScores combine;
  combine.residual = matrix<const float>(numbers, 5, 1);
  combine.statistics = matrix<const float>(numbers + 10, 1, 4);
  combine.score = matrix(numbers + 20, 5, 1);
  expect_refusals<CombineScores>("combine_scores", combine,
                                 {{"residual", [](auto& a) { a.residual.columns = 2; }},
                                  {"logit", [](auto& a) { a.logit = matrix<const float>(numbers, 4, 1); }},
                                  {"statistics", [](auto& a) { a.statistics.columns = 2; }},
                                  {"discriminator_weight", [](auto& a) { a.discriminator_weight = not_a_number; }},
                                  {"absent", [](auto& a) { a.absent = matrix<const float>(numbers, 4, 1); }},
                                  {"surprise", [](auto& a) { a.surprise = matrix<const float>(numbers, 5, 2); }},
                                  {"absent_weight", [](auto& a) { a.absent_weight = -1.0f; }},
                                  {"score", [](auto& a) { a.score.data = nullptr; }}});
  CellSurprise surprise;
  surprise.x = matrix<const float>(numbers, 5, 3);
  surprise.source = matrix<const std::int32_t>(indices, 2, 3);
  surprise.constant = matrix<const float>(numbers, 2, 1);
  surprise.weight = surprise.expected = matrix<const float>(numbers, 2, 2);
  surprise.surprise = matrix(numbers + 20, 5, 1);
  expect_refusals<CellSurprise>("cell_surprise", surprise,
                                {{"x", [](auto& a) { a.x.data = nullptr; }},
                                 {"source", [](auto& a) { a.source.columns = 2; }},
                                 {"source", [](auto& a) { a.source.rows = 0; }},
                                 {"constant", [](auto& a) { a.constant.rows = 1; }},
                                 {"weight", [](auto& a) { a.weight.columns = 1; }},
                                 {"expected", [](auto& a) { a.expected.rows = 3; }},
                                 {"surprise", [](auto& a) { a.surprise.data = nullptr; }},
                                 {"residual", [](auto& a) { a.residual = matrix(numbers + 30, 4, 1); }}});
}

}  // namespace
}  // namespace cugad::test
