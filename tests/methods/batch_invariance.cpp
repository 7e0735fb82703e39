#include <gtest/gtest.h>

#include <algorithm>

#include "tests/methods/clusters.hpp"

/// A row's score does not depend on the rows beside it, their order, or the number of threads: to the bit.
namespace cugad::test {
namespace {

struct Case {
  std::string name;
  DetectorOptions options;
};

/// One with so many models that 1,000 rows do not fit into one chunk of the working memory.
std::vector<Case> make_cases() {
  DetectorOptions cross_entropy = search_options(SearchStart::normal);
  cross_entropy.discrimination = Discrimination::cross_entropy;
  cross_entropy.residual = Distance::squared;
  cross_entropy.prior_weight = 0.1f;
  DetectorOptions many_models = quick_options();
  many_models.population = 64;
  many_models.steps = 0;
  return {{"bank", quick_options()},
          {"search_from_bank", search_options(SearchStart::bank)},
          {"search_from_normal", search_options(SearchStart::normal)},
          {"search_from_truncated_normal", search_options(SearchStart::truncated_normal)},
          {"search_with_cross_entropy", cross_entropy},
          {"many_models", many_models}};
}
const std::vector<Case> cases = make_cases();

class BatchInvariance : public testing::TestWithParam<std::size_t> {
 protected:
  BatchInvariance()
      : rows_(mixed_rows(1000, 6)),
        detector_(fitted(cases[GetParam()].options, normal_rows(400, 1))),
        expected_(detector_.score(rows_.view())) {}

  Matrix rows_;
  Detector detector_;
  std::vector<float> expected_;
};

TEST_P(BatchInvariance, AnyBatchSize) {
  expect_scores(rows_.view(), expected_);
  for (const std::int64_t batch : {1, 7, 256}) {
    std::vector<float> scores(1000);
    for (std::int64_t first = 0; first < 1000; first += batch) {
      const std::int64_t count = std::min(batch, 1000 - first);
      detector_.score({rows_.row(first), count, rows_.columns}, std::span(scores).subspan(first, count));
    }
    EXPECT_TRUE(same_bits(scores, expected_)) << batch;
  }
}

TEST_P(BatchInvariance, AnyOrder) {
  const std::vector<std::int64_t> order = numpy_permutation(3, 1000);
  const std::vector<float> scores = detector_.score(take_rows(rows_, order).view());
  for (std::size_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(same_bits({scores[i]}, {expected_[static_cast<std::size_t>(order[i])]})) << i;
}

/// The threads of training, too: the detector is fitted again.
TEST_P(BatchInvariance, AnyNumberOfThreads) {
  for (const int threads : {2, 3}) {
    Detector detector = fitted(cases[GetParam()].options, normal_rows(400, 1), threads);
    EXPECT_TRUE(same_bits(detector.score(rows_.view()), expected_)) << threads;
    EXPECT_EQ(detector.threshold(), detector_.threshold());
  }
}

/// Rows with missing cells take another way through the discriminator; their neighbours must not follow them.
TEST_P(BatchInvariance, RowsBesideMissingCells) {
  std::vector<std::int64_t> complete;
  for (std::int64_t r = 0; r < 1000; ++r)
    if (std::none_of(rows_.row(r), rows_.row(r) + 6, [](float cell) { return std::isnan(cell); }))
      complete.push_back(r);
  ASSERT_GT(complete.size(), 700u);
  ASSERT_LT(complete.size(), 900u);
  const std::vector<float> scores = detector_.score(take_rows(rows_, complete).view());
  for (std::size_t i = 0; i < complete.size(); ++i)
    ASSERT_TRUE(same_bits({scores[i]}, {expected_[static_cast<std::size_t>(complete[i])]})) << complete[i];
}

TEST_P(BatchInvariance, RowsWithPadding) {
  Matrix wide(1000, 9);
  for (std::int64_t r = 0; r < 1000; ++r) {
    std::fill_n(wide.row(r), 9, 1e30f);
    std::copy_n(rows_.row(r), 6, wide.row(r));
  }
  EXPECT_TRUE(same_bits(detector_.score({wide.data.data(), 1000, 6, 9}), expected_));
}

INSTANTIATE_TEST_SUITE_P(Scores, BatchInvariance, testing::Range<std::size_t>(0, cases.size()),
                         [](const auto& tested) { return cases[tested.param].name; });

/// A search may end elsewhere when it begins elsewhere: the starts do differ, and depend on the row's contents alone.
TEST(SearchStarts, AreWhatTheOptionsSay) {
  const Matrix training = normal_rows(400, 1), rows = normal_rows(50, 8);
  std::vector<std::vector<float>> scores;
  for (const SearchStart start : {SearchStart::normal, SearchStart::truncated_normal, SearchStart::bank}) {
    DetectorOptions options = search_options(start);
    options.discriminator_weight = 0.0f;
    scores.push_back(fitted(options, training).score(rows.view()));
  }
  EXPECT_FALSE(same_bits(scores[0], scores[1]));
  EXPECT_FALSE(same_bits(scores[0], scores[2]));
}

/// There is one missing value and one zero, however their bits are written.
TEST(SearchStarts, DependOnValuesAndNotOnTheirBits) {
  DetectorOptions options = search_options(SearchStart::normal);
  options.scale = Scale::none;
  options.center = false;
  Detector detector = fitted(options, normal_rows(400, 1));
  Matrix rows = normal_rows(1, 8), same = rows;
  rows.row(0)[1] = missing;
  same.row(0)[1] = -missing;
  rows.row(0)[2] = 0.0f;
  same.row(0)[2] = -0.0f;
  ASSERT_FALSE(same_bits(rows.data, same.data));
  EXPECT_TRUE(same_bits(detector.score(rows.view()), detector.score(same.view())));
}

}  // namespace
}  // namespace cugad::test
