#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "host/detector/score_calibration.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// The method knn, and training rows as parts of other scores.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 6;

/// Distances in the units of the rows.
DetectorOptions plain_options(ScoreRule score) {
  DetectorOptions options;
  options.method = Method::knn;
  options.score = score;
  options.log1p = {"none"};
  options.scale = Scale::none;
  options.center = false;
  options.standardise = false;
  options.novelty = 0.0f;
  return options;
}

/// Some of them several times.
Matrix rows_with_copies(std::int64_t rows, std::uint64_t seed) {
  Matrix matrix = normal_rows(rows, seed);
  for (std::int64_t r = 0; r < rows / 4; ++r) std::copy_n(matrix.row(r % 10), columns, matrix.row(rows - 1 - r));
  return matrix;
}

/// Distances to the rows of `from`, ascending, in float64; without row `left_out` of them.
std::vector<double> sorted_distances(const float* row, const Matrix& from, std::int64_t left_out = -1) {
  std::vector<double> distances;
  for (std::int64_t r = 0; r < from.rows; ++r) {
    double sum = 0;
    for (std::int64_t c = 0; c < from.columns; ++c) {
      if (!std::isnan(row[c])) sum += std::pow(double{row[c]} - from.row(r)[c], 2);
    }
    if (r != left_out) distances.push_back(std::sqrt(sum));
  }
  std::sort(distances.begin(), distances.end());
  return distances;
}

double mean_of_first(const std::vector<double>& values, std::int64_t count) {
  return std::accumulate(values.begin(), values.begin() + count, 0.0) / static_cast<double>(count);
}

safetensors::File file_of(const Detector& detector) { return safetensors::read(detector.save()); }

void expect_near(float found, double expected) {
  // The sum of squares of so many columns, its root, and a mean of 5.
  EXPECT_NEAR(found, expected, (columns + 10) * 6e-8 * expected);
}

double flagged_share(Detector& detector, const Matrix& rows) {
  const std::vector<float> scores = detector.score(rows.view());
  const auto flagged =
      std::count_if(scores.begin(), scores.end(), [&](float score) { return score >= detector.threshold(); });
  return static_cast<double>(flagged) / static_cast<double>(scores.size());
}

TEST(Knn, ScoresAreDistancesToTrainingRows) {
  const Matrix training = rows_with_copies(120, 1);
  Matrix rows = normal_rows(40, 2);
  rows.row(3)[1] = missing;
  std::copy_n(training.row(5), columns, rows.row(7));  // of which there are several
  for (const int neighbours : {1, 3, 5, 64}) {
    DetectorOptions options = plain_options(ScoreRule::kth_nearest);
    options.neighbours = neighbours;
    Detector detector = fitted(options, training);
    const std::vector<float> scores = detector.score(rows.view());
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      expect_near(scores[r], sorted_distances(rows.row(r), training)[neighbours - 1]);
    }
  }
  Detector of_mean = fitted(plain_options(ScoreRule::mean_nearest), training);
  const std::vector<float> means = of_mean.score(rows.view());
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    expect_near(means[r], mean_of_first(sorted_distances(rows.row(r), training), 5));
  }
}

TEST(Knn, FewerRowsThanNeighbours) {
  const Matrix training = normal_rows(3, 1), rows = normal_rows(10, 2);
  Detector detector = fitted(plain_options(ScoreRule::kth_nearest), training);
  const std::vector<float> scores = detector.score(rows.view());
  for (std::int64_t r = 0; r < rows.rows; ++r) expect_near(scores[r], sorted_distances(rows.row(r), training)[2]);
  EXPECT_EQ(fitted(plain_options(ScoreRule::kth_nearest), normal_rows(1, 1)).score(normal_rows(1, 1).view()),
            std::vector<float>{0.0f});
}

/// The score is the mean of its two distances, each in units of its spread on the training rows, compressed.
TEST(Knn, NearestAndMeanAreParts) {
  const Matrix training = rows_with_copies(150, 3), rows = normal_rows(50, 4);
  DetectorOptions options = plain_options(ScoreRule::automatic);
  Detector detector = fitted(options, training);
  EXPECT_EQ(detector.parts(), (std::vector<std::string>{"knn_nearest", "knn_mean"}));
  std::vector<float> parts;
  const std::vector<float> scores = detector.score_methods(rows.view(), parts);
  EXPECT_TRUE(same_bits(scores, detector.score(rows.view())));
  const auto statistics = nlohmann::json::parse(file_of(detector).metadata.at("score_statistics")).at("methods");
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const std::vector<double> distances = sorted_distances(rows.row(r), training);
    expect_near(parts[2 * r], distances[0]);
    expect_near(parts[2 * r + 1], mean_of_first(distances, 5));
    double sum = 0;
    for (int p = 0; p < 2; ++p) {
      const double u =
          (parts[2 * r + p] - statistics["median"][p].get<double>()) / statistics["spread"][p].get<double>();
      sum += std::copysign(std::log1p(std::abs(u)), u);
    }
    EXPECT_NEAR(scores[r], sum / 2, 1e-5);
  }
}

/// Training rows are scored as if they were new: each leaves itself out, but not its copies.
TEST(Knn, TrainingRowsLeaveThemselvesOut) {
  const Matrix training = rows_with_copies(160, 5);
  for (const int neighbours : {1, 4}) {
    DetectorOptions options = plain_options(ScoreRule::kth_nearest);
    options.neighbours = neighbours;
    const Detector detector = fitted(options, training);
    std::vector<float> expected;
    for (std::int64_t r = 0; r < training.rows; ++r) {
      expected.push_back(static_cast<float>(sorted_distances(training.row(r), training, r)[neighbours - 1]));
    }
    const float threshold = ScoreCalibration(expected).threshold(options);
    EXPECT_NEAR(detector.threshold(), threshold, 1e-5 * threshold);
    EXPECT_EQ(detector.calibration().rows, training.rows);
    EXPECT_EQ(detector.calibration().folds, training.rows);
  }
}

/// A threshold for 5 % flags about 5 % of normal rows that are new, whatever the share of training rows that is kept.
TEST(Knn, FalseAlarmsAreAsPromised) {
  for (const std::uint64_t seed : {1, 2}) {
    for (const ScoreRule score : {ScoreRule::automatic, ScoreRule::kth_nearest}) {
      for (const std::int64_t kept : {0, 300}) {
        DetectorOptions options;
        options.method = Method::knn;
        options.score = score;
        options.reference_rows = kept;
        Detector detector = fitted(options, normal_rows(1500, seed), 2);
        const double share = flagged_share(detector, normal_rows(4000, 100 + seed));
        EXPECT_TRUE(share > 0.03 && share < 0.08)
            << share << " with seed " << seed << ", rule " << static_cast<int>(score) << ", " << kept << " rows kept";
      }
    }
  }
}

/// The same of networks and distances together.
TEST(ReferenceRows, FalseAlarmsBesideNetworksAreAsPromised) {
  for (const std::uint64_t seed : {1, 2}) {
    DetectorOptions options = quick_options();
    options.population = 5;  // one model for each fold
    options.steps = 100;
    options.reference_rows = -1;
    Detector detector = fitted(options, normal_rows(1500, seed), 2);
    const double share = flagged_share(detector, normal_rows(4000, 100 + seed));
    EXPECT_TRUE(share > 0.03 && share < 0.08) << share << " with seed " << seed;
  }
}

TEST(ReferenceRows, AreDistinctTrainingRowsDrawnBySeed) {
  const Matrix training = rows_with_copies(160, 6);
  DetectorOptions options = plain_options(ScoreRule::kth_nearest);
  const safetensors::File all = file_of(fitted(options, training));
  EXPECT_EQ(all.tensors.at("reference.rows").shape, (std::vector<std::int64_t>{120, columns}));
  const std::vector<float>& copies = all.tensors.at("reference.copies").f32;
  EXPECT_EQ(std::count(copies.begin(), copies.end(), 1.0f), 110);
  EXPECT_EQ(std::count(copies.begin(), copies.end(), 5.0f), 10);

  options.reference_rows = 30;
  const safetensors::File some = file_of(fitted(options, training));
  const safetensors::Tensor& rows = some.tensors.at("reference.rows");
  ASSERT_EQ(rows.shape, (std::vector<std::int64_t>{30, columns}));
  for (std::int64_t r = 0; r < 30; ++r) {
    EXPECT_EQ(sorted_distances(rows.f32.data() + r * columns, training)[0], 0.0) << r;
  }
  options.seed += 1;
  EXPECT_NE(file_of(fitted(options, training)).tensors.at("reference.rows").f32, rows.f32);
  options.deduplicate = true;
  EXPECT_EQ(file_of(fitted(options, training)).tensors.at("reference.copies").f32, std::vector<float>(30, 1.0f));
}

/// reference_rows makes knn a further method: its distances are parts of the score beside that of the networks.
TEST(ReferenceRows, AreAFurtherMethod) {
  const Matrix training = normal_rows(200, 7), rows = mixed_rows(60, 8);
  DetectorOptions options = quick_options();
  options.steps = 20;
  options.score = ScoreRule::search;  // of the networks
  DetectorOptions named = options;
  set_option(options, "reference_rows", "auto");
  set_option(named, "method", "anogan,knn");
  Detector implied = fitted(options, training), detector = fitted(named, training);
  EXPECT_EQ(get_option(implied.options(), "method"), "anogan,knn");
  EXPECT_EQ(detector.options().reference_rows, 20000);
  EXPECT_EQ(implied.parts(), (std::vector<std::string>{"anogan", "knn_nearest", "knn_mean"}));
  std::vector<float> parts, alone;
  const std::vector<float> scores = detector.score_methods(rows.view(), parts);
  EXPECT_TRUE(same_bits(implied.score(rows.view()), scores));
  expect_scores(rows.view(), scores);
  named.method = Method::anogan;
  named.ensemble.clear();
  alone = fitted(named, training).score(rows.view());
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (std::isnan(alone[r])) {  // a row without any value
      for (int p = 0; p < 3; ++p) EXPECT_TRUE(std::isnan(parts[3 * r + p])) << r;
      continue;
    }
    bool is_complete = true;
    for (std::int64_t c = 0; c < columns; ++c) is_complete = is_complete && !std::isnan(rows.row(r)[c]);
    if (is_complete) {
      EXPECT_EQ(parts[3 * r], alone[r]) << r;
    }
  }
}

TEST(ReferenceRows, LeaveSamplesToTheMethodWithAPrior) {
  DetectorOptions options = quick_options();
  options.steps = 20;
  const Matrix training = normal_rows(200, 7);
  std::vector<float> first(5 * columns), last(5 * columns);
  set_option(options, "method", "anogan,knn");
  fitted(options, training).sample(5, 1, first);
  set_option(options, "method", "knn,anogan");
  fitted(options, training).sample(5, 1, last);
  EXPECT_TRUE(same_bits(first, last));
}

TEST(Knn, ExplainsByTheNearestRow) {
  const Matrix training = normal_rows(300, 9), outliers = outlier_rows(30, 10);
  Detector detector = fitted(plain_options(ScoreRule::automatic), training);
  std::vector<Explanation> explanations;
  detector.explain(outliers.view(), 6, explanations);
  for (std::int64_t r = 0; r < outliers.rows; ++r) {
    double squares = 0;
    for (const float residual : explanations[r].residual) squares += std::pow(residual, 2);
    expect_near(static_cast<float>(std::sqrt(squares)), sorted_distances(outliers.row(r), training)[0]);
  }
}

TEST(Knn, RefusesWhatItCannot) {
  const Matrix training = normal_rows(60, 1);
  DetectorOptions options;
  options.method = Method::knn;
  Detector detector = fitted(options, training);
  std::vector<float> drawn(columns);
  expect_error(ErrorCode::unsupported, {"knn", "cannot be sampled"}, [&] { detector.sample(1, 1, drawn); });
  DetectorOptions conditional = quick_options();
  conditional.reference_rows = -1;
  conditional.condition = {"2"};
  expect_error(ErrorCode::invalid_argument, {"'knn' takes no condition", "reference_rows"},
               [&] { fitted(conditional, training); });
}

TEST(ReferenceRows, OfHostileFilesAreRefused) {
  DetectorOptions options = plain_options(ScoreRule::automatic);
  options.reference_rows = 20;
  const safetensors::File good = file_of(fitted(options, normal_rows(60, 1)));
  const auto refuse = [&](const std::string& part, const auto& change) {
    safetensors::File file = good;
    change(file);
    expect_error(ErrorCode::format, {part}, [&] { Detector::load(test_device(1), safetensors::to_bytes(file)); });
  };
  EXPECT_NO_THROW(Detector::load(test_device(1), safetensors::to_bytes(good)));
  refuse("'reference.rows' is missing", [](auto& file) { file.tensors.erase("reference.rows"); });
  refuse("'reference.copies' is missing", [](auto& file) { file.tensors.erase("reference.copies"); });
  refuse("no number of copies", [](auto& file) { file.tensors.at("reference.copies").f32[3] = 7.0f; });
  refuse("no number of copies", [](auto& file) { file.tensors.at("reference.copies").f32[3] = 0.5f; });
  refuse("not finite", [](auto& file) { file.tensors.at("reference.rows").f32[3] = missing; });
  refuse("rows of 6 columns", [](auto& file) { file.tensors.at("reference.rows").shape = {24, 5}; });
  refuse("20 reference rows, expected at most the 19", [](auto& file) {
    auto options = nlohmann::json::parse(file.metadata.at("options"));
    options["reference_rows"] = 19;
    file.metadata["options"] = options.dump();
  });
}

}  // namespace
}  // namespace cugad::test
