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

/// Scores that are mean ranks, unchanged.
DetectorOptions raw_options() {
  DetectorOptions options = likelihood_options();
  options.standardise = false;
  options.novelty = 0.0f;
  return options;
}

/// The ranks of a row by cell; a category is the last.
std::vector<double> ranks_of(const Explanation& explanation) {
  const std::size_t cells = explanation.column.size();
  std::vector<double> ranks(cells);
  for (std::size_t k = 0; k < cells; ++k) {
    ranks[std::min(static_cast<std::size_t>(explanation.column[k]), cells - 1)] = double{explanation.residual[k]};
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

/// Threads pass blocks of rows through G, each in memory of its own; so does a further handle.
TEST(Likelihood, AnyNumberOfThreadsGivesTheSameBits) {
  DetectorOptions options = likelihood_options();
  options.hidden = {64, 64};
  const Matrix rows = normal_rows(1500, 3);
  Detector fitted_alone = fitted(options, normal_rows(300, 1));
  const std::vector<float> expected = fitted_alone.score(rows.view());
  for (const int threads : {2, 3, 5}) {
    Detector detector = Detector::load(test_device(threads), fitted_alone.save());
    Detector other = detector.share();
    EXPECT_TRUE(same_bits(detector.score(rows.view()), expected)) << threads;
    EXPECT_TRUE(same_bits(other.score(rows.view()), expected)) << threads;
  }
}

/// No cell ranks above the one that does not fit the others.
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

/// Two numbers of one sign and a text column of three values that follows it; `columns` describes them.
Matrix rows_with_category(std::int64_t rows, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, 5);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double side = numbers.uniform() < 0.5 ? 1.0 : -1.0;
    for (std::int64_t c = 0; c < 2; ++c) matrix.row(r)[c] = static_cast<float>(side + 0.2 * numbers.normal());
    matrix.row(r)[2 + (side < 0.0 ? 0 : 1 + numbers.below(2))] = 1.0f;
  }
  return matrix;
}
const Columns category_columns = {.names = {"a", "b", "state=busy", "state=idle", "state=off"}, .binary = 3};

Detector fitted_to_category(const DetectorOptions& options, const Matrix& rows) {
  Detector detector(test_device(1), options);
  detector.fit(rows.view(), category_columns);
  return detector;
}

/// A text column is one cell: hidden as a whole, so that its other 0/1 columns do not show its value, and one share of
/// the score.
TEST(Likelihood, TakesACategoryAsOneCell) {
  DetectorOptions options = raw_options();
  options.steps = 600;
  Detector detector = fitted_to_category(options, rows_with_category(600, 1));
  Matrix rows = rows_with_category(60, 2);
  for (std::int64_t r = 0; r < 30; ++r) {  // the value of the other side
    const float* row = rows.row(r);
    const bool is_low = row[2] == 1.0f;
    std::fill_n(rows.row(r) + 2, 3, 0.0f);
    rows.row(r)[is_low ? 3 : 2] = 1.0f;
  }
  std::vector<Explanation> explanations;
  const std::vector<float> scores = detector.explain(rows.view(), 5, explanations);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    const std::vector<double> ranks = ranks_of(explanations[r]);
    ASSERT_EQ(ranks.size(), 3u);
    EXPECT_NEAR(scores[r], (ranks[0] + ranks[1] + ranks[2]) / 3.0, 1e-6);
    if (r < 30) {
      EXPECT_GT(ranks[2], 4.0) << r;
    } else {
      EXPECT_LT(ranks[2], 4.0) << r;
    }
  }
}

/// Values that are new or missing, in training and later.
TEST(Likelihood, TakesCategoriesWithoutAValue) {
  Matrix training = rows_with_category(300, 1), rows = rows_with_category(40, 2);
  for (std::int64_t r = 0; r < 300; r += 7) std::fill_n(training.row(r) + 2, 3, missing);
  for (std::int64_t r = 0; r < 40; r += 3) std::fill_n(rows.row(r) + 2, 3, r % 2 == 0 ? missing : 0.0f);
  Detector detector = fitted_to_category(raw_options(), training);
  expect_scores(rows.view(), detector.score(rows.view()));
  std::vector<Explanation> explanations;
  detector.explain(rows.view(), 5, explanations);
  EXPECT_EQ(ranks_of(explanations[0])[2], 0.0) << "missing";
  EXPECT_GT(ranks_of(explanations[3])[2], 2.0) << "a value without a column";
}

/// Categories are part of the model file. Columns that only look like one, or of which one is a condition, are none.
TEST(Likelihood, ModelFilesHoldCategories) {
  const TemporaryDirectory directory;
  const Matrix training = rows_with_category(100, 1), rows = rows_with_category(30, 2);
  DetectorOptions options = likelihood_options();
  options.steps = 20;
  Detector detector = fitted_to_category(options, training);
  const std::vector<float> expected = detector.score(rows.view());
  detector.save(directory.file("model"));
  Detector loaded = Detector::load(test_device(1), directory.file("model"));
  EXPECT_TRUE(same_bits(loaded.score(rows.view()), expected));
  EXPECT_TRUE(same_bits(loaded.share().score(rows.view()), expected));
  const File good = safetensors::read(directory.file("model"));
  EXPECT_EQ(Json::parse(good.metadata.at("categories")), Json::parse(R"({"first": [2], "columns": [3]})"));
  for (const char* damaged :
       {R"({"first": [3], "columns": [3]})", R"({"first": [-1], "columns": [3]})", R"({"first": [2], "columns": [1]})",
        R"({"first": [0, 1], "columns": [2, 2]})", R"({"first": [2], "columns": []})", R"([])", "3"}) {
    File file = good;
    file.metadata["categories"] = damaged;
    safetensors::write(directory.file("damaged"), file);
    expect_error(ErrorCode::format, {}, [&] { Detector::load(test_device(1), directory.file("damaged")); });
  }

  Matrix several = training;
  several.row(5)[2] = several.row(5)[3] = several.row(5)[4] = 1.0f;
  DetectorOptions conditional = options, other = options;
  conditional.condition = {"state=idle"};
  other.method = Method::anogan;
  const auto has_categories = [&](Detector fit) {
    fit.save(directory.file("other"));
    return safetensors::read(directory.file("other")).metadata.contains("categories");
  };
  EXPECT_FALSE(has_categories(fitted_to_category(options, several)));
  EXPECT_FALSE(has_categories(fitted_to_category(other, training)));
  Detector given = fitted_to_category(conditional, training);
  expect_scores(rows.view(), given.score(rows.view()));
  conditional.condition = {"state"};
  Detector all_given = fitted_to_category(conditional, training);
  expect_scores(rows.view(), all_given.score(rows.view()));
}

/// Half of the cells of b are missing in training, and equal to those of a elsewhere: what is there shows that b = 0
/// does not fit, where cells filled with the mean would look usual.
TEST(Likelihood, LearnsNothingFromMissingCells) {
  Matrix training = normal_rows(800, 1, 2);
  for (std::int64_t r = 0; r < 800; r += 2) training.row(r)[1] = missing;
  DetectorOptions options = raw_options();
  options.steps = 600;
  Detector detector = fitted(options, training);
  Matrix rows = normal_rows(40, 2, 2);
  for (std::int64_t r = 0; r < 20; ++r) rows.row(r)[1] = 0.0f;
  std::vector<Explanation> explanations;
  detector.explain(rows.view(), 2, explanations);
  for (std::size_t r = 0; r < 20; ++r) EXPECT_GT(ranks_of(explanations[r])[1], 4.0) << r;
}

/// No two rows tie that are beyond all calibration rows in some columns.
TEST(Likelihood, TellsDistantRowsApart) {
  Detector detector = fitted(raw_options(), normal_rows(300, 1));
  Matrix rows = normal_rows(6, 2);
  for (std::int64_t r = 1; r < 6; ++r) {
    std::copy_n(rows.row(0), 6, rows.row(r));
    for (std::int64_t c = 0; c < 6; ++c) rows.row(r)[c] *= static_cast<float>(-10 * r);
  }
  const std::vector<float> scores = detector.score(rows.view());
  for (std::size_t r = 1; r < 6; ++r) EXPECT_GT(scores[r], scores[r - 1]) << r;
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

/// A category is one for all groups of a fleet, also for those that do not have all of its values.
TEST(Likelihood, FleetsHoldCategories) {
  const TemporaryDirectory directory;
  const Matrix rows = rows_with_category(160, 3);
  std::vector<std::string> groups;
  for (std::int64_t r = 0; r < 160; ++r) groups.push_back(r % 2 == 0 ? "a" : rows.row(r)[2] == 1.0f ? "low" : "b");
  DetectorOptions options = likelihood_options();
  options.steps = 50;
  Fleet fleet(test_device(1), options, {.minimum_rows = 20});
  fleet.fit(rows.view(), groups, category_columns);
  const std::vector<float> expected = fleet.score(rows.view(), groups);
  expect_scores(rows.view(), expected);
  fleet.save(directory.file("fleet"));
  EXPECT_TRUE(safetensors::read(directory.file("fleet")).metadata.contains("pooled.categories"));
  Fleet loaded = Fleet::load(test_device(1), directory.file("fleet"));
  EXPECT_TRUE(same_bits(loaded.score(rows.view(), groups), expected));
}

/// Networks as they are drawn, a control for what training brings.
TEST(Likelihood, ScoresWithoutTraining) {
  DetectorOptions options = likelihood_options();
  options.steps = 0;
  Detector detector = fitted(options, normal_rows(200, 1));
  const Matrix rows = normal_rows(30, 2);
  expect_scores(rows.view(), detector.score(rows.view()));
  for (const ModelTelemetry& model : detector.telemetry()) EXPECT_EQ(model.restorations, 0);
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
      {"more values of a column than 'column_rows'", [&](File& f) { set_rows(f, 2, 10); }},
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
