#include "host/detector/trim.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "host/model_file/safetensors.hpp"
#include "tests/common/stopped_fit.hpp"
#include "tests/methods/fleet_rows.hpp"

/// The option trim: anomalies among the training rows are left out, normal rows stay, and thresholds keep their rate.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 6;

std::vector<std::int64_t> kept_rows(const Matrix& rows, float trim, int threads = 1, std::uint64_t seed = 42) {
  Context context = Device::open("cpu", threads).make_context();
  DetectorOptions options;
  options.seed = seed;
  options.trim = trim;
  return rows_after_trim(context, rows.view(), options, {"a", "b", "c", "d", "e", "f"}, columns);
}

Matrix joined(const Matrix& first, const Matrix& second) {
  Matrix all(first.rows + second.rows, first.columns);
  std::copy(first.data.begin(), first.data.end(), all.data.begin());
  std::copy(second.data.begin(), second.data.end(), all.row(first.rows));
  return all;
}

Matrix gaussian_rows(std::int64_t rows, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, columns);
  for (float& cell : matrix.data) cell = static_cast<float>(numbers.normal());
  return matrix;
}

/// Rows near one odd row: copies of it where `deviation` is 0.
Matrix odd_cluster(std::int64_t rows, double deviation) {
  RandomNumbers numbers(9);
  Matrix matrix(rows, columns);
  for (float& cell : matrix.data) cell = static_cast<float>(7.0 + deviation * numbers.normal());
  return matrix;
}

std::int64_t kept_from(const std::vector<std::int64_t>& kept, std::int64_t first) {
  return kept.end() - std::lower_bound(kept.begin(), kept.end(), first);
}

/// However near to each other: fewer than a fifth of the rows do not hide each other.
TEST(Trim, LeavesOutClustersOfAnomalies) {
  const Matrix normal = gaussian_rows(1000, 1);
  for (const double deviation : {0.0, 0.01, 0.5}) {
    for (const std::int64_t planted : {1, 30, 110}) {
      const Matrix rows = joined(normal, odd_cluster(planted, deviation));
      for (const float trim : {-1.0f, 0.12f}) {
        SCOPED_TRACE(testing::Message() << planted << " rows, deviation " << deviation << ", trim " << trim);
        const std::vector<std::int64_t> kept = kept_rows(rows, trim);
        EXPECT_EQ(kept_from(kept, normal.rows), 0);
        EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
        const std::int64_t gone = rows.rows - static_cast<std::int64_t>(kept.size());
        if (trim < 0.0f) {
          EXPECT_LE(gone, planted + 10);
        } else {
          EXPECT_EQ(gone, static_cast<std::int64_t>(0.12 * static_cast<double>(rows.rows)));
        }
      }
    }
  }
}

TEST(Trim, KeepsNearlyAllCleanRows) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    EXPECT_GE(kept_rows(gaussian_rows(1000, seed), -1.0f).size(), 990u);
    EXPECT_EQ(kept_rows(normal_rows(1000, seed), -1.0f).size(), 1000u);
  }
}

/// Of rows that are all alike none is more surprising than another.
TEST(Trim, KeepsRowsThatAreAlike) {
  Matrix rows(100, columns);
  for (std::int64_t r = 0; r < 100; ++r) std::fill_n(rows.row(r), columns, static_cast<float>(r % 2));
  EXPECT_EQ(kept_rows(rows, 0.1f).size(), 100u);
  EXPECT_EQ(kept_rows(rows, -1.0f).size(), 100u);
  EXPECT_EQ(kept_rows(gaussian_rows(1, 1), 0.5f).size(), 1u);
}

TEST(Trim, KeepsAValueOfEachColumn) {
  Matrix rows = joined(gaussian_rows(200, 1), odd_cluster(10, 0.1));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (r < 200) rows.row(r)[2] = missing;
    if (r % 3 == 0) rows.row(r)[4] = missing;
  }
  EXPECT_EQ(kept_from(kept_rows(rows, -1.0f), 200), 10);
  rows.row(5)[2] = 7.0f;
  EXPECT_EQ(kept_from(kept_rows(rows, -1.0f), 200), 0);
}

/// A population equals its models trained alone, with seeds of their own: they learn from the same rows.
TEST(Trim, DoesNotDependOnThreadsOrSeed) {
  const Matrix rows = joined(gaussian_rows(9000, 1), odd_cluster(300, 0.5));
  for (const float trim : {-1.0f, 0.05f}) {
    const std::vector<std::int64_t> kept = kept_rows(rows, trim);
    EXPECT_EQ(kept_rows(rows, trim, 3), kept);
    EXPECT_EQ(kept_rows(rows, trim, 1, 43), kept);
  }
}

DetectorOptions knn_options(float trim) {
  DetectorOptions options;
  options.method = Method::knn;
  options.trim = trim;
  return options;
}

/// Rows that are like anomalies among the training rows have the scores of anomalies again, whatever the method.
TEST(Trim, FindsAnomaliesThatTrainingRowsHaveToo) {
  const Matrix training = joined(normal_rows(400, 1), odd_cluster(30, 0.2)), fresh = normal_rows(300, 2);
  const Matrix anomalies = odd_cluster(50, 0.2);
  for (const char* method : {"knn", "anogan", "gain"}) {
    DetectorOptions options = quick_options();
    set_option(options, "method", method);
    options.folds = 2;
    Detector dirty = fitted(options, training);
    options.trim = -1.0f;
    Detector trimmed = fitted(options, training);
    EXPECT_GT(auroc(trimmed, fresh, anomalies), 0.99) << method;
    EXPECT_GE(auroc(trimmed, fresh, anomalies), auroc(dirty, fresh, anomalies)) << method;
    EXPECT_EQ(trimmed.calibration().rows, dirty.calibration().rows) << method;
  }
}

/// All rows calibrate, those that are left out, too: a threshold for 5 % flags about 5 % of clean rows that are new.
TEST(Trim, FalseAlarmsAreAsPromised) {
  for (const std::uint64_t seed : {1, 2}) {
    Detector detector = fitted(knn_options(0.05f), gaussian_rows(2000, seed));
    const std::vector<float> scores = detector.score(gaussian_rows(4000, seed + 10).view());
    const auto flagged =
        std::count_if(scores.begin(), scores.end(), [&](float s) { return s >= detector.threshold(); });
    EXPECT_NEAR(static_cast<double>(flagged) / 4000.0, 0.05, 0.02);  // 3 deviations of both sets' shares
  }
}

/// A single absurd value no longer sets its column's scale, and no value makes a score that is no number.
TEST(Trim, LeavesOutAbsurdValues) {
  Matrix rows = gaussian_rows(300, 1);
  Matrix odd = gaussian_rows(40, 2);
  for (std::int64_t r = 0; r < odd.rows; ++r) odd.row(r)[3] = 8.0f;
  for (const float absurd : {1e25f, 3e38f, -3e38f}) {
    rows.row(7)[3] = absurd;
    for (const char* method : {"knn", "anogan", "gain", "fanogan"}) {
      DetectorOptions options = quick_options();
      options.steps = 50;
      set_option(options, "method", method);
      options.trim = -1.0f;
      Detector detector = fitted(options, rows);
      const std::vector<float> scores = detector.score(rows.view());
      EXPECT_TRUE(std::none_of(scores.begin(), scores.end(), [](float score) { return std::isnan(score); })) << method;
      if (options.method != Method::knn) continue;
      EXPECT_GT(auroc(detector, gaussian_rows(200, 3), odd), 0.99) << absurd;
    }
  }
}

TEST(Trim, IsNotedAndKeptInTheModelFile) {
  const Matrix rows = joined(gaussian_rows(300, 1), odd_cluster(20, 0.1));
  std::vector<std::string> messages;
  FitControl control;
  control.on_message = [&](const std::string& message) { messages.push_back(message); };
  Detector detector(test_device(1), knn_options(-1.0f));
  detector.fit(rows.view(), control);
  const std::vector<std::string> notes = detector.notes();
  EXPECT_EQ(messages, notes);
  ASSERT_FALSE(notes.empty());
  EXPECT_NE(notes.front().find(" of 320 training rows are left out"), std::string::npos) << notes.front();
  EXPECT_EQ(Detector::load(test_device(1), detector.save()).notes(), notes);
  EXPECT_EQ(detector.share().notes(), notes);
  EXPECT_EQ(fitted(knn_options(0.0f), rows).notes().size(), notes.size() - 1);
}

TEST(Trim, SameBitsForAnyNumberOfThreads) {
  DetectorOptions options = quick_options();
  options.trim = 0.1f;
  options.method = Method::gain;
  const Matrix rows = mixed_rows(300, 1);
  EXPECT_EQ(fitted(options, rows, 1).save(), fitted(options, rows, 3).save());
}

TEST(Trim, AResumedFitGivesTheSameBytes) {
  const TemporaryDirectory directory;
  const Matrix rows = joined(normal_rows(300, 1), odd_cluster(20, 0.2));
  DetectorOptions options = quick_options();
  options.trim = 0.1f;
  StoppedFit stop(directory.file("checkpoint"), 100);
  Detector stopped(test_device(1), options);
  expect_error(ErrorCode::cancelled, {"after step 100"}, [&] { stopped.fit(rows.view(), stop.control); });
  stop.resume();
  Detector resumed(test_device(1), options);
  resumed.fit(rows.view(), stop.control);
  EXPECT_EQ(resumed.save(), fitted(options, rows).save());
}

/// Rows are as surprising as all of their columns are, conditions among them.
TEST(Trim, ConditionalModelsAreTrimmed) {
  const Matrix rows = joined(normal_rows(300, 1), odd_cluster(20, 0.2));
  DetectorOptions options = quick_options();
  options.condition = {"0"};
  options.trim = -1.0f;
  Detector detector = fitted(options, rows);
  EXPECT_NE(detector.notes().front().find("20 of 320"), std::string::npos) << detector.notes().front();
  expect_scores(rows.view(), detector.score(rows.view()));
}

TEST(Trim, RefusesOtherShares) {
  DetectorOptions options;
  for (const char* value : {"0.6", "-0.5", "most", "nan"}) {
    expect_error(ErrorCode::invalid_argument, {"'trim'", value, "from 0 to 0.5, or -1"},
                 [&] { set_option(options, "trim", value); });
  }
  set_option(options, "trim", "auto");
  EXPECT_EQ(options.trim, -1.0f);
}

/// However few rows there are, one stays.
TEST(Trim, TinyTablesTrain) {
  DetectorOptions options = quick_options();
  options.trim = 0.5f;
  for (const std::int64_t rows : {1, 2, 3, 5}) {
    Detector detector = fitted(options, gaussian_rows(rows, 1));
    expect_scores(gaussian_rows(9, 2).view(), detector.score(gaussian_rows(9, 2).view()));
  }
}

/// Each group is trimmed by itself, as a detector of its rows alone; the fleet counts for all of them.
TEST(Trim, GroupsOfFleetsAreTrimmed) {
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  DetectorOptions options = quick_options();
  options.trim = 0.1f;
  std::vector<std::string> messages;
  FitControl control;
  control.on_message = [&](const std::string& message) { messages.push_back(message); };
  Fleet fleet(test_device(2), options);
  fleet.fit(training.rows.view(), training.groups, {}, control);
  const auto is_trim = [](const std::string& text) { return text.find("training rows of the groups") == 4; };
  EXPECT_EQ(std::count_if(messages.begin(), messages.end(), is_trim), 1);
  const FleetRows own = rows_of(training, "a");
  options.seed = fleet.seed_of("a");
  Detector taken = fleet.take_out("a"), alone = fitted(options, own.rows);
  EXPECT_TRUE(same_bits(taken.score(own.rows.view()), alone.score(own.rows.view())));
  EXPECT_EQ(taken.threshold(), alone.threshold());
  EXPECT_TRUE(taken.notes().empty());
}

}  // namespace
}  // namespace cugad::test
