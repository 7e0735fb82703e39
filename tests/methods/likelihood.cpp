#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "host/model_file/safetensors.hpp"
#include "tests/methods/fleet_rows.hpp"

/// The score of cells given the others of their row.
namespace cugad::test {
namespace {

using Json = nlohmann::json;
using safetensors::File;

DetectorOptions likelihood_options() {
  DetectorOptions options = quick_options();
  options.method = Method::gain;
  return options;
}

/// Scores that are mean ranks as they stand.
DetectorOptions raw_options() {
  DetectorOptions options = likelihood_options();
  options.standardise = false;
  options.novelty = 0.0f;
  return options;
}

/// The ranks of a row by column.
std::vector<double> ranks_of(const Explanation& explanation) {
  std::vector<double> ranks(explanation.column.size());
  for (std::size_t k = 0; k < ranks.size(); ++k) {
    ranks[static_cast<std::size_t>(explanation.column[k])] = double{explanation.residual[k]};
  }
  return ranks;
}

double mean_over(const std::vector<double>& ranks, const float* row) {
  double sum = 0.0, cells = 0.0;
  for (std::size_t c = 0; c < ranks.size(); ++c) {
    sum += std::isnan(row[c]) ? 0.0 : ranks[c];
    cells += std::isnan(row[c]) ? 0.0 : 1.0;
  }
  return sum / cells;
}

TEST(Likelihood, IsTheMeanRankOfTheCellsThatAreThere) {
  Matrix rows = normal_rows(50, 2);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < r % 3; ++c) rows.row(r)[(r + 2 * c) % 6] = missing;
  }
  Detector detector = fitted(raw_options(), normal_rows(300, 1));
  std::vector<Explanation> explanations;
  const std::vector<float> scores = detector.explain(rows.view(), 6, explanations);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    const std::vector<double> ranks = ranks_of(explanations[r]);
    const float* row = rows.row(static_cast<std::int64_t>(r));
    EXPECT_NEAR(scores[r], mean_over(ranks, row), 1e-6) << r;
    for (std::size_t c = 0; c < ranks.size(); ++c) {
      if (std::isnan(row[c])) {
        EXPECT_EQ(ranks[c], 0.0) << r;
      }
    }
  }
}

/// No cell ranks above the one that does not fit the others. Cells beyond all calibration rows share the highest rank.
TEST(Likelihood, PointsAtTheCellThatDoesNotFit) {
  std::vector<int> planted;
  const Matrix rows = outlier_rows(100, 3, &planted);
  DetectorOptions options = likelihood_options();
  options.steps = 600;
  Detector detector = fitted(options, normal_rows(800, 1));
  std::vector<Explanation> explanations;
  detector.explain(rows.view(), 6, explanations);
  int found = 0;
  for (std::size_t r = 0; r < planted.size(); ++r) {
    const std::vector<double> ranks = ranks_of(explanations[r]);
    found += ranks[static_cast<std::size_t>(planted[r])] == *std::max_element(ranks.begin(), ranks.end()) ? 1 : 0;
  }
  EXPECT_GE(found, 95);
}

/// A calibration row is compared with the others, not with itself: thresholds hold for new rows. These are scored by
/// means over all models, which lie closer together: the rate errs on the safe side.
TEST(Likelihood, PromisesNewRowsTheirRate) {
  DetectorOptions options = likelihood_options();
  options.population = options.folds = 4;
  options.contamination = 0.1f;
  Detector detector = fitted(options, normal_rows(1000, 1));
  const std::vector<float> scores = detector.score(normal_rows(2000, 2).view());
  const auto above =
      std::count_if(scores.begin(), scores.end(), [&](float score) { return score >= detector.threshold(); });
  EXPECT_GT(static_cast<double>(above) / 2000.0, 0.02);
  EXPECT_LT(static_cast<double>(above) / 2000.0, 0.13);
}

/// The table of a column holds every calibration row that has a value there.
TEST(Likelihood, TablesHoldEveryCalibrationRow) {
  const TemporaryDirectory directory;
  DetectorOptions options = likelihood_options();
  options.population = options.folds = 2;
  Matrix rows = normal_rows(100, 1);
  for (std::int64_t r = 0; r < 30; ++r) rows.row(r)[4] = missing;
  fitted(options, rows).save(directory.file("model"));
  const File file = safetensors::read(directory.file("model"));
  EXPECT_EQ(file.tensors.at("column_table").shape, (std::vector<std::int64_t>{6, 2000}));
  const Json statistics = Json::parse(file.metadata.at("score_statistics"));
  EXPECT_EQ(statistics.at("column_rows"), Json::array({100, 100, 100, 100, 70, 100}));
}

TEST(Likelihood, ConstantColumnsDoNotCount) {
  Matrix training = normal_rows(200, 1), rows = normal_rows(30, 2);
  for (Matrix* all : {&training, &rows}) {
    for (std::int64_t r = 0; r < all->rows; ++r) all->row(r)[2] = 7.0f;
  }
  Detector detector = fitted(raw_options(), training);
  std::vector<Explanation> explanations;
  detector.explain(rows.view(), 6, explanations);
  for (const Explanation& explanation : explanations) {
    const std::vector<double> ranks = ranks_of(explanation);
    EXPECT_EQ(ranks[2], 0.0);
    EXPECT_GT(ranks[0] + ranks[1] + ranks[3], 0.0);
  }
}

/// Conditions are given: they are neither hidden nor judged.
TEST(Likelihood, DoesNotJudgeConditions) {
  DetectorOptions options = raw_options();
  options.condition = {"b"};
  Detector detector(test_device(1), options);
  detector.fit(normal_rows(300, 1).view(), {.names = {"a", "b", "c", "d", "e", "f"}});
  const Matrix rows = normal_rows(40, 2);
  std::vector<Explanation> explanations;
  const std::vector<float> scores = detector.explain(rows.view(), 6, explanations);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    const std::vector<double> ranks = ranks_of(explanations[r]);
    EXPECT_EQ(ranks[1], 0.0);
    EXPECT_NEAR(scores[r], std::accumulate(ranks.begin(), ranks.end(), 0.0) / 5.0, 1e-6);
  }
}

/// More columns than masks of single columns.
TEST(Likelihood, TakesWideRows) {
  DetectorOptions options = likelihood_options();
  options.steps = 50;
  Detector detector = fitted(options, normal_rows(200, 1, 101));
  const Matrix rows = normal_rows(30, 2, 101);
  expect_scores(rows.view(), detector.score(rows.view()));
}

TEST(Likelihood, FleetsHoldTheTablesOfTheirGroups) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1), rows = fleet_rows(fleet_sizes, 7);
  DetectorOptions options = likelihood_options();
  options.steps = 100;
  Fleet fleet = fitted_fleet(training, options);
  const std::vector<float> expected = fleet.score(rows.rows.view(), rows.groups);
  expect_scores(rows.rows.view(), expected);
  fleet.save(directory.file("fleet"));
  Fleet loaded = Fleet::load(test_device(1), directory.file("fleet"));
  EXPECT_TRUE(same_bits(loaded.score(rows.rows.view(), rows.groups), expected));
}

TEST(Likelihood, DamagedTablesAreRefused) {
  const TemporaryDirectory directory;
  DetectorOptions options = likelihood_options();
  options.steps = 10;
  fitted(options, normal_rows(100, 1)).save(directory.file("model"));
  const File good = safetensors::read(directory.file("model"));
  const auto set_rows = [](File& file, std::size_t column, const Json& value) {
    Json statistics = Json::parse(file.metadata.at("score_statistics"));
    statistics["column_rows"][column] = value;
    file.metadata["score_statistics"] = statistics.dump();
  };
  const std::vector<std::pair<const char*, std::function<void(File&)>>> damages = {
      {"'column_table'", [](File& f) { f.tensors.erase("column_table"); }},
      {"'column_table'",
       [](File& f) {
         f.tensors["column_table"].shape = {2000, 6};
       }},
      {"'column_table'",
       [](File& f) { std::swap(f.tensors["column_table"].f32[0], f.tensors["column_table"].f32[7]); }},
      {"not finite", [](File& f) { f.tensors["column_table"].f32[3] = missing; }},
      {"'column_rows'", [&](File& f) { set_rows(f, 2, 2001); }},
      {"'column_rows'", [&](File& f) { set_rows(f, 2, -1); }},
      {"'column_rows'", [&](File& f) { set_rows(f, 6, 1); }},
      {"more values of a column than 'column_rows' says", [&](File& f) { set_rows(f, 2, 10); }},
  };
  for (const auto& [part, damage] : damages) {
    SCOPED_TRACE(part);
    File file = good;
    damage(file);
    safetensors::write(directory.file("damaged"), file);
    expect_error(ErrorCode::format, {part}, [&] { Detector::load(test_device(1), directory.file("damaged")); });
  }
}

}  // namespace
}  // namespace cugad::test
