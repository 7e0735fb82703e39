#include <gtest/gtest.h>

#include <algorithm>

#include "tests/common/device.hpp"
#include "tests/methods/clusters.hpp"

/// Detector: what it finds, explains and draws, and what it refuses.
namespace cugad::test {
namespace {

TEST(Detector, DefaultOptionsFindOutliers) {
  DetectorOptions options;
  options.steps = 300;
  Detector detector = fitted(options, normal_rows(800, 1), 2);
  EXPECT_GE(auroc(detector, normal_rows(400, 2), outlier_rows(200, 3)), 0.95);
}

TEST(Detector, TheLatentSearchFindsOutliers) {
  for (const SearchStart start : {SearchStart::normal, SearchStart::truncated_normal, SearchStart::bank}) {
    DetectorOptions options = search_options(start);
    options.steps = 800;
    options.search_steps = 30;
    options.search_until = {20};
    Detector detector = fitted(options, normal_rows(800, 1), 2);
    EXPECT_GE(auroc(detector, normal_rows(300, 2), outlier_rows(150, 3)), 0.9) << static_cast<int>(start);
  }
}

TEST(Detector, ThresholdLeavesTheContaminationAbove) {
  DetectorOptions options = quick_options();
  options.contamination = 0.1f;
  options.folds = 1;  // so that the training rows are those that the threshold was set by
  const Matrix rows = normal_rows(500, 1);
  Detector detector = fitted(options, rows);
  const std::vector<float> scores = detector.score(rows.view());
  const auto above = std::count_if(scores.begin(), scores.end(), [&](float s) { return s > detector.threshold(); });
  EXPECT_NEAR(static_cast<double>(above), 50.0, 1.0);
}

TEST(Detector, ExplainNamesThePlantedColumnFirst) {
  DetectorOptions options = quick_options();
  options.steps = 1500;
  const Matrix training = normal_rows(800, 1);
  std::vector<int> planted;
  const Matrix outliers = outlier_rows(60, 4, &planted);
  for (const int search_steps : {0, 10}) {
    options.search_steps = search_steps;
    Detector detector = fitted(options, training, 2);
    std::vector<Explanation> explanations;
    const std::vector<float> scores = detector.explain(outliers.view(), 3, explanations);
    EXPECT_TRUE(same_bits(scores, detector.score(outliers.view())));
    ASSERT_EQ(explanations.size(), 60u);
    int right = 0;
    for (std::size_t r = 0; r < 60; ++r) {
      ASSERT_EQ(explanations[r].column.size(), 3u);
      ASSERT_EQ(explanations[r].share.size(), 3u);
      EXPECT_TRUE(std::is_sorted(explanations[r].share.rbegin(), explanations[r].share.rend()));
      EXPECT_GE(explanations[r].share[2], 0.0f);
      right += explanations[r].column[0] == planted[r] ? 1 : 0;
    }
    EXPECT_GE(right, 58);
    detector.explain(outliers.view(), 100, explanations);
    EXPECT_EQ(explanations[0].column.size(), 6u) << "no more columns than there are";
  }
}

/// Scores are the same with and without an explanation, also where cells are missing.
TEST(Detector, ExplainDoesNotChangeScores) {
  const Matrix training = normal_rows(400, 1), rows = mixed_rows(120, 5);
  DetectorOptions by_bank = quick_options();
  by_bank.search_steps = 4;
  for (const DetectorOptions& options :
       {quick_options(), by_bank, search_options(SearchStart::bank), search_options(SearchStart::normal)}) {
    Detector detector = fitted(options, training);
    std::vector<Explanation> explanations;
    EXPECT_TRUE(same_bits(detector.explain(rows.view(), 2, explanations), detector.score(rows.view())));
    for (std::size_t r = 0; r < 120; ++r)
      for (std::size_t k = 0; k < 2; ++k) {
        const float residual = explanations[r].residual[k];
        EXPECT_TRUE(std::isfinite(residual));
        const bool is_missing = std::isnan(rows.row(static_cast<std::int64_t>(r))[explanations[r].column[k]]);
        EXPECT_EQ(is_missing, explanations[r].finding[k] == Finding::missing) << "training rows miss no cell";
      }
  }
}

TEST(Detector, AGeneratorThatEndsInTanhStaysWithinOne) {
  DetectorOptions options = quick_options();
  options.scale = Scale::none;
  options.center = false;
  const auto largest = [&] {
    Detector detector = fitted(options, normal_rows(300, 1));
    std::vector<float> rows(600);
    detector.sample(100, 1, rows);
    return *std::max_element(rows.begin(), rows.end());
  };
  EXPECT_GT(largest(), 1.5f);
  options.generator_tanh = true;
  EXPECT_LE(largest(), 1.0f);
  EXPECT_GT(largest(), 0.5f) << "it learns what it can reach";
}

TEST(Detector, SamplesAreStableFiniteAndInTheUnitsOfTheData) {
  DetectorOptions options = quick_options();
  options.steps = 800;
  options.population = 3;
  Detector detector = fitted(options, normal_rows(600, 1));
  const auto drawn = [&](std::int64_t count, std::uint64_t seed) {
    std::vector<float> rows(static_cast<std::size_t>(count * 6 + 1), -77.0f);
    detector.sample(count, seed, std::span(rows).first(rows.size() - 1));
    EXPECT_EQ(rows.back(), -77.0f) << "it wrote past the end";
    rows.pop_back();
    return rows;
  };
  const std::vector<float> many = drawn(4000, 9);
  EXPECT_TRUE(same_bits(many, drawn(4000, 9)));
  for (const std::int64_t count : {0, 1, 2, 10, 3073}) {
    const std::vector<float> few = drawn(count, 9);
    EXPECT_TRUE(same_bits(few, {many.begin(), many.begin() + count * 6})) << count;
  }
  EXPECT_FALSE(same_bits(many, drawn(4000, 10)));
  for (std::size_t c = 0; c < 6; ++c) {
    const double unit = std::pow(10.0, c % 3);
    double sum = 0.0;
    for (std::size_t r = 0; r < 4000; ++r) {
      ASSERT_TRUE(std::isfinite(many[r * 6 + c]));
      sum += std::abs(many[r * 6 + c]);
    }
    EXPECT_NEAR(sum / 4000.0, 2.0 * unit, 0.8 * unit) << "rows lie around +-2 units";
  }
  EXPECT_FALSE(std::equal(many.begin(), many.begin() + 6, many.begin() + 6)) << "two models draw the same row";
}

TEST(Detector, TrainsAndScoresWithMissingCells) {
  const Matrix training = mixed_rows(600, 1);
  Detector detector = fitted(quick_options(), training);
  expect_scores(training.view(), detector.score(training.view()));
  EXPECT_TRUE(std::isfinite(detector.threshold()));
}

/// No score is NaN, whatever a row holds: an infinite cell is as anomalous as can be.
TEST(Detector, InfiniteAndHugeCellsScoreHighest) {
  for (const DetectorOptions& options : {quick_options(), search_options(SearchStart::normal)}) {
    Detector detector = fitted(options, normal_rows(300, 1));
    Matrix rows = normal_rows(6, 2);
    const float cells[] = {HUGE_VALF, -HUGE_VALF, 3e38f, -3e38f, 1e6f};
    for (std::int64_t r = 0; r < 5; ++r) rows.row(r)[r] = cells[r];
    const std::vector<float> scores = detector.score(rows.view());
    EXPECT_EQ(scores[0], HUGE_VALF);
    EXPECT_EQ(scores[1], HUGE_VALF);
    for (std::size_t r = 0; r < 5; ++r) EXPECT_GT(scores[r], scores[5] + 1.0f) << r;
  }
}

TEST(Detector, ConstantColumnsAndSingleRowsAreFine) {
  Matrix training = normal_rows(200, 1);
  for (std::int64_t r = 0; r < training.rows; ++r) training.row(r)[2] = 41.5f;
  std::vector<std::string> messages;
  FitControl control;
  control.on_message = [&](const std::string& message) { messages.push_back(message); };
  Detector detector(test_device(1), quick_options());
  detector.fit(training.view(), control);
  EXPECT_EQ(messages, (std::vector<std::string>{"constant in the training rows, 1 of 6 features: 2"}));
  Matrix changed = training;
  for (std::int64_t r = 0; r < changed.rows; ++r) changed.row(r)[2] = 60.0f;
  const std::vector<float> usual = detector.score(training.view()), unusual = detector.score(changed.view());
  for (std::size_t r = 0; r < usual.size(); ++r) EXPECT_GT(unusual[r], usual[r]);

  const Matrix one = normal_rows(1, 1);
  for (const DetectorOptions& options : {quick_options(), search_options(SearchStart::normal)}) {
    Detector lonely = fitted(options, one);
    EXPECT_TRUE(std::isfinite(lonely.score(one.view())[0]));
    EXPECT_TRUE(std::isfinite(lonely.threshold()));
  }
  EXPECT_TRUE(detector.score(Matrix(0, 6).view()).empty());
}

TEST(Detector, TellsWhatItHolds) {
  Detector detector(test_device(1), quick_options());
  EXPECT_FALSE(detector.fitted());
  detector.fit(normal_rows(100, 1).view(), {.names = {"a", "b", "c", "d", "e", "f"}, .binary = 2});
  EXPECT_TRUE(detector.fitted());
  EXPECT_EQ(detector.columns(), 6);
  EXPECT_EQ(detector.column_names()[5], "f");
  EXPECT_EQ(detector.options().latent, 3);
  EXPECT_EQ(detector.options().decay_steps, 4000) << "resolved";
  EXPECT_EQ(detector.telemetry().size(), 2u);
  DetectorOptions options = quick_options();
  options.latent = 0;
  options.epochs = 2;
  Detector other = fitted(options, normal_rows(320, 1));
  EXPECT_EQ(other.options().latent, 3) << "half of six columns";
  EXPECT_EQ(other.options().steps, 16) << "2 epochs of 320 * 4 / 5 / 32 batches: a model leaves out a fold";
  EXPECT_EQ(other.column_names(), (std::vector<std::string>{"0", "1", "2", "3", "4", "5"}));
}

TEST(Detector, DeduplicationTrainsOnDistinctRows) {
  const Matrix rows = normal_rows(100, 1);
  Matrix twice(200, 6);
  for (std::int64_t r = 0; r < 200; ++r) std::copy_n(rows.row(r / 2), 6, twice.row(r));
  std::vector<std::string> messages;
  FitControl control;
  control.on_message = [&](const std::string& message) { messages.push_back(message); };
  DetectorOptions options = quick_options();
  options.deduplicate = true;
  Detector detector(test_device(1), options);
  detector.fit(twice.view(), control);
  EXPECT_EQ(messages, (std::vector<std::string>{"100 distinct rows of 200"}));
}

/// Options that the rows decide: many distinct rows need more generated ones, copies do not count, given values stay.
TEST(Detector, LargeTablesGetMoreGeneratedRows) {
  DetectorOptions options = quick_options();
  options.population = 1;
  options.steps = 0;
  options.coverage_rows = options.bank_rows = 0;
  options.learning_rate = 0.0f;
  const auto resolved = [&](std::int64_t rows, std::int64_t distinct) {
    Matrix matrix(rows, 2);
    for (std::int64_t r = 0; r < rows; ++r) {
      matrix.row(r)[0] = static_cast<float>(r % distinct);
      matrix.row(r)[1] = static_cast<float>(r % distinct % 7);
    }
    return fitted(options, matrix).options();
  };
  const DetectorOptions usual = resolved(35000, 30000), large = resolved(30001, 30001);
  EXPECT_EQ(usual.coverage, 1.0f);
  EXPECT_EQ(usual.coverage_rows, 256);
  EXPECT_EQ(usual.bank_rows, 3000);
  EXPECT_EQ(large.coverage, 30.0f);
  EXPECT_EQ(usual.learning_rate, 5e-4f);
  EXPECT_EQ(large.learning_rate, 1e-3f);
  EXPECT_EQ(large.coverage_rows, 1024);
  EXPECT_EQ(large.bank_rows, 12000);
  options.coverage = 0.5f;
  options.coverage_rows = 70;
  options.bank_rows = 90;
  const DetectorOptions asked = resolved(30001, 30001);
  EXPECT_EQ(asked.coverage, 0.5f);
  EXPECT_EQ(asked.coverage_rows, 70);
  EXPECT_EQ(asked.bank_rows, 90);
}

TEST(Detector, AttachmentsAreKept) {
  Detector detector(test_device(1));
  EXPECT_EQ(detector.attachment("encoder"), nullptr);
  detector.attach("encoder", "{}");
  detector.attach("encoder", "{\"x\": 1}");
  ASSERT_NE(detector.attachment("encoder"), nullptr);
  EXPECT_EQ(*detector.attachment("encoder"), "{\"x\": 1}");
  expect_error(ErrorCode::invalid_argument, {"the attachment 'encoder'", "UTF-8"},
               [&] { detector.attach("encoder", "\xff"); });
  expect_error(ErrorCode::invalid_argument, {"name of an attachment", "UTF-8"}, [&] { detector.attach("\xff", "{}"); });
  EXPECT_EQ(*detector.attachment("encoder"), "{\"x\": 1}");
}

/// Between two chunks of rows, of which a call of so many has several.
TEST(Detector, ScoringStopsWhenAskedTo) {
  Detector detector = fitted(quick_options(), normal_rows(100, 1));
  const Matrix rows = normal_rows(3000, 2);
  std::atomic<bool> cancel{false};
  detector.cancel_by(&cancel);
  const std::vector<float> scores = detector.score(rows);
  std::vector<float> methods;
  std::vector<Explanation> explanations;
  cancel = true;
  expect_error(ErrorCode::cancelled, {"stopped"}, [&] { detector.score(rows); });
  expect_error(ErrorCode::cancelled, {"stopped"}, [&] { detector.score_methods(rows, methods); });
  expect_error(ErrorCode::cancelled, {"stopped"}, [&] { detector.explain(rows, 1, explanations); });
  EXPECT_TRUE(same_bits(detector.share().score(rows), scores)) << "another detector's flag";
  cancel = false;
  EXPECT_TRUE(same_bits(detector.score(rows), scores));
  cancel = true;
  detector.cancel_by(nullptr);
  EXPECT_TRUE(same_bits(detector.score(rows), scores));
}

/// A matrix is given as a view; scores go where there is room for each.
TEST(Detector, ScoresIntoTheCallersMemory) {
  Matrix rows = normal_rows(100, 1);
  Detector detector = fitted(quick_options(), rows);
  const MatrixView<float> writable = rows;
  EXPECT_EQ(writable.data, rows.data.data());
  std::vector<float> scores(100);
  detector.score(rows, scores);
  EXPECT_TRUE(same_bits(detector.score(rows.view()), scores));
  scores.resize(99);
  expect_error(ErrorCode::invalid_argument, {"room for 99", "100 rows"}, [&] { detector.score(rows, scores); });
}

TEST(Detector, RefusesWhatItCannotUse) {
  const Device device = test_device(1);
  const Matrix rows = normal_rows(50, 1);
  Detector detector(device, quick_options());
  std::vector<float> out(600);
  std::vector<Explanation> explanations;
  expect_error(ErrorCode::invalid_argument, {"not fitted"}, [&] { detector.score(rows.view()); });
  expect_error(ErrorCode::invalid_argument, {"not fitted"}, [&] { detector.sample(1, 1, out); });
  expect_error(ErrorCode::invalid_argument, {"not fitted"}, [&] { detector.save("unused"); });
  expect_error(ErrorCode::invalid_argument, {"0 rows"}, [&] { detector.fit(Matrix(0, 6).view()); });
  expect_error(ErrorCode::invalid_argument, {"2 column names for 6"}, [&] {
    detector.fit(rows.view(), {.names = {"a", "b"}});
  });
  expect_error(ErrorCode::invalid_argument, {"7 0/1 columns"}, [&] { detector.fit(rows.view(), {.binary = 7}); });
  for (const float infinite : {HUGE_VALF, -HUGE_VALF}) {
    Matrix bad = rows;
    bad.row(12)[3] = infinite;
    expect_error(ErrorCode::invalid_argument, {"row 12", "'3'", "infinite"}, [&] { detector.fit(bad.view()); });
  }
  Matrix empty_column = rows;
  for (std::int64_t r = 0; r < 50; ++r) empty_column.row(r)[4] = missing;
  expect_error(ErrorCode::invalid_argument, {"'4'", "no value"}, [&] { detector.fit(empty_column.view()); });
  EXPECT_FALSE(detector.fitted());

  detector.fit(rows.view());
  expect_error(ErrorCode::invalid_argument, {"5 columns", "expected 6"},
               [&] { detector.score(normal_rows(3, 1, 5).view()); });
  expect_error(ErrorCode::invalid_argument, {"at least 1"}, [&] { detector.explain(rows.view(), 0, explanations); });
  expect_error(ErrorCode::invalid_argument, {"-1"}, [&] { detector.sample(-1, 1, out); });
  expect_error(ErrorCode::invalid_argument, {"room for 600 numbers", "6 for each of 99 rows"},
               [&] { detector.sample(99, 1, out); });
}

TEST(Detector, RefusesOptionsThatCannotBe) {
  const Matrix rows = normal_rows(50, 1);
  const auto refused = [&](const std::vector<std::string>& parts, auto&& change) {
    DetectorOptions options = quick_options();
    change(options);
    expect_error(ErrorCode::invalid_argument, parts, [&] { fitted(options, rows); });
  };
  refused({"search_rate", "search_until"}, [](DetectorOptions& o) { o.search_until = {10}; });
  refused({"'30,10'", "numbers of steps that grow"}, [](DetectorOptions& o) {
    o.search_rate = {0.1f, 0.1f, 0.1f};
    o.search_until = {30, 10};
  });
  refused({"discriminator_hidden"}, [](DetectorOptions& o) { o.discriminator_hidden = {}; });
  refused({"'speed'", "log1p"}, [](DetectorOptions& o) { o.log1p = {"speed"}; });
  // Fields set past set_option() are checked as well.
  refused({"population", "'0'"}, [](DetectorOptions& o) { o.population = 0; });
  refused({"batch", "'-3'"}, [](DetectorOptions& o) { o.batch = -3; });
  refused({"generator_learning_rate"}, [](DetectorOptions& o) { o.learning_rate = missing; });
  refused({"generator_hidden"}, [](DetectorOptions& o) { o.hidden = std::vector<Layer>(20, 4); });
  refused({"log1p"}, [](DetectorOptions& o) { o.log1p = {}; });
  refused({"bank_rows"}, [](DetectorOptions& o) { o.bank_rows = -1; });
}

}  // namespace
}  // namespace cugad::test
