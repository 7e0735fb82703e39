#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cugad/metrics.hpp"
#include "tests/methods/clusters.hpp"

/// How a score is put together from the models' residuals and discriminators.
namespace cugad::test {
namespace {

/// Residuals alone, as they are.
DetectorOptions plain_options() {
  DetectorOptions options = quick_options();
  options.population = 1;
  options.discriminator_weight = 0.0f;
  options.compress = false;
  options.folds = 1;    // standardised on all training rows
  options.novelty = 0;  // residuals of the values alone
  return options;
}

/// Each with a value at least: rows without one have no score.
Matrix rows_with_values(std::int64_t count, std::uint64_t seed) {
  Matrix rows = mixed_rows(count, seed);
  for (std::int64_t r = 0; r < count; ++r) {
    float* const row = rows.row(r);
    if (std::all_of(row, row + rows.columns, [](float x) { return std::isnan(x); })) row[0] = 0.0f;
  }
  return rows;
}

std::vector<float> scores_of(const DetectorOptions& options, const Matrix& rows) {
  return fitted(options, normal_rows(400, 1)).score(rows.view());
}

TEST(Score, IsStandardisedOnTheTrainingRows) {
  DetectorOptions search = plain_options();
  search.score = ScoreRule::search;
  search.search_steps = 3;
  for (const DetectorOptions& options : {plain_options(), search}) {
    const std::vector<float> scores = scores_of(options, normal_rows(400, 1));
    EXPECT_NEAR(metrics::percentile(scores, 50.0), 0.0, 1e-5);
    EXPECT_NEAR(metrics::percentile(scores, 95.0) - metrics::percentile(scores, 5.0), 3.29, 1e-4)
        << "the distance of these percentiles of a unit normal";
  }
}

TEST(Score, CompressionIsALogarithm) {
  DetectorOptions options = plain_options();
  const Matrix rows = rows_with_values(200, 2);
  const std::vector<float> plain = scores_of(options, rows);
  options.compress = true;
  const std::vector<float> compressed = scores_of(options, rows);
  for (std::size_t r = 0; r < 200; ++r)
    ASSERT_NEAR(compressed[r], std::copysign(std::log1p(std::abs(plain[r])), plain[r]),
                1e-6 * (1.0 + std::abs(plain[r])));
}

/// Of the models, each standardised by its own statistics; of the discriminators only what is above usual.
TEST(Score, IsTheMeanOverTheModels) {
  const Matrix rows = rows_with_values(200, 2);
  DetectorOptions options = plain_options();
  options.population = 3;
  const std::vector<float> residual = scores_of(options, rows);
  options.discriminator_weight = 0.25f;
  const std::vector<float> with_discriminator = scores_of(options, rows);
  std::vector<double> residual_sum(200, 0.0), discriminator_sum(200, 0.0);
  std::vector<bool> all_above(200, true);
  for (std::uint64_t m = 0; m < 3; ++m) {
    DetectorOptions alone = plain_options();
    alone.seed += m;
    const std::vector<float> one = scores_of(alone, rows);
    alone.discriminator_weight = 1.0f;
    const std::vector<float> both = scores_of(alone, rows);
    for (std::size_t r = 0; r < 200; ++r) {
      residual_sum[r] += one[r];
      EXPECT_GE(both[r], one[r]) << "a discriminator only adds";
      discriminator_sum[r] += both[r] - one[r];
      all_above[r] = all_above[r] && both[r] > one[r];
    }
  }
  std::int64_t compared = 0;
  for (std::size_t r = 0; r < 200; ++r) {
    const double bound = 1e-5 * (1.0 + std::abs(residual[r]));
    ASSERT_NEAR(residual[r], residual_sum[r] / 3.0, bound) << r;
    EXPECT_GE(with_discriminator[r], residual[r]);
    if (!all_above[r]) continue;  // the positive part is that of the mean, not of each
    ++compared;
    ASSERT_NEAR(with_discriminator[r] - residual[r], 0.25 * discriminator_sum[r] / 3.0, bound) << r;
  }
  EXPECT_GT(compared, 20);
}

/// The k-th nearest generated row counts, or the last one where the bank is smaller.
TEST(Score, TheThresholdOfAnEnsembleIsAQuantileOfItsScores) {
  const Matrix rows = normal_rows(200, 11);
  DetectorOptions options = quick_options();
  options.steps = 20;
  options.ensemble = {Method::gan};
  options.folds = 1;
  Detector detector = fitted(options, rows);
  std::vector<float> scores = detector.score(rows.view());
  std::sort(scores.begin(), scores.end());
  // Place 201 * .95 of 200 scores, counted from 1.
  EXPECT_NEAR(detector.threshold(), scores[189] + 0.95f * (scores[190] - scores[189]), 1e-4);
}

TEST(Score, NeighboursCountFromTheNearest) {
  const Matrix rows = normal_rows(20, 2);
  DetectorOptions options = plain_options();
  options.bank_rows = 3;
  std::vector<std::vector<float>> scores;
  for (const int neighbours : {1, 3, 64}) {
    options.neighbours = neighbours;
    scores.push_back(scores_of(options, rows));
  }
  EXPECT_FALSE(same_bits(scores[0], scores[1]));
  EXPECT_TRUE(same_bits(scores[1], scores[2]));
}

}  // namespace
}  // namespace cugad::test
