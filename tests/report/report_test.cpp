#include "cugad/report.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "tests/common/device.hpp"
#include "tests/common/random_words.hpp"
#include "tests/common/temporary_directory.hpp"

/// The numbers of a page.
namespace cugad::test {
namespace {

using nlohmann::json;

/// Numbers from 0 to 1, and in the last column what follows from the first.
Matrix made_rows(std::int64_t count, std::uint64_t seed) {
  Matrix rows(count, 4);
  for (std::int64_t i = 0; i < count * 4; ++i) {
    const RandomKey key{.seed = seed, .purpose = RandomPurpose::latent, .lane = 0, .step = 0};
    rows.data[static_cast<std::size_t>(i)] =
        static_cast<float>(random_word(key, 0, static_cast<std::uint64_t>(i))) / 4294967296.0f;
  }
  for (std::int64_t r = 0; r < count; ++r) rows.row(r)[3] = 2 * rows.row(r)[0] + 0.1f * rows.row(r)[3];
  return rows;
}

/// Every 20th row breaks the dependence.
std::vector<std::int8_t> spoil(Matrix& rows) {
  std::vector<std::int8_t> labels(static_cast<std::size_t>(rows.rows));
  for (std::int64_t r = 0; r < rows.rows; r += 20) {
    rows.row(r)[3] += 1.5f;
    labels[static_cast<std::size_t>(r)] = 1;
  }
  return labels;
}

json data_of(const std::string& page) {
  const std::string begin = "id=\"data\">";
  const std::size_t at = page.find(begin) + begin.size();
  return json::parse(page.substr(at, page.find("</script>", at) - at));
}

class ReportTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    DetectorOptions options;
    set_option(options, "method", "knn");
    detector = std::make_unique<Detector>(test_device(), options);
    detector->fit(made_rows(600, 1), Columns{.names = {"load", "</script>", "b", "sum"}});
  }
  static void TearDownTestSuite() { detector.reset(); }

  static json report(const Matrix& rows, std::span<const std::int8_t> labels = {}, ReportOptions options = {}) {
    Report page(detector->share(), std::move(options));
    page.add(rows, {.labels = labels});
    return data_of(page.html());
  }

  static std::unique_ptr<Detector> detector;
};
std::unique_ptr<Detector> ReportTest::detector;

TEST_F(ReportTest, CountsAsTheMeasuresDo) {
  Matrix rows = made_rows(1000, 2);
  const std::vector<std::int8_t> labels = spoil(rows);
  const json page = report(rows, labels);
  const std::vector<float> scores = detector->score(rows);
  const std::vector<std::uint8_t> anomaly(labels.begin(), labels.end());
  EXPECT_EQ(page["labels"]["auroc"], metrics::auroc(anomaly, scores));
  EXPECT_EQ(page["labels"]["average_precision"], metrics::average_precision(anomaly, scores));
  EXPECT_EQ(page["threshold"], detector->threshold());
  const json& steps = page["steps"];
  ASSERT_GT(steps["threshold"].size(), 100u);
  bool has_threshold = false;
  for (std::size_t i = 0; i < steps["threshold"].size(); ++i) {
    const double threshold = steps["threshold"][i];
    const metrics::Decision decision = metrics::decide(anomaly, scores, threshold);
    EXPECT_EQ(steps["flagged"][i], decision.flagged) << threshold;
    EXPECT_EQ(steps["anomalies"][i], decision.true_positives) << threshold;
    EXPECT_EQ(steps["normal"][i], decision.flagged - decision.true_positives) << threshold;
    has_threshold |= threshold == detector->threshold();
  }
  EXPECT_TRUE(has_threshold);
  EXPECT_EQ(steps["flagged"][0], 1000);
  EXPECT_EQ(steps["flagged"].back(), 0);
}

TEST_F(ReportTest, ExpectsTheFalseAlarmsOfTheCalibration) {
  const json page = report(made_rows(1000, 3));
  const json& steps = page["steps"];
  double before = 1.0;
  for (std::size_t i = 0; i < steps["expected"].size(); ++i) {
    const double expected = steps["expected"][i];
    EXPECT_LE(expected, before);
    before = expected;
    if (steps["threshold"][i] == detector->threshold()) {
      EXPECT_NEAR(expected, 0.05, 0.01);
    }
  }
  const json& training = page["scores"]["training"];
  std::int64_t sum = 0;
  for (const json& count : training) sum += count.get<std::int64_t>();
  EXPECT_NEAR(static_cast<double>(sum), static_cast<double>(detector->calibration().rows), 3.0);
}

/// Probabilities are float32: whatever the number of calibrating scores, its ends are found among them.
TEST_F(ReportTest, TheAxisEndsWithTheScores) {
  for (std::int64_t count = 30; count < 60; ++count) {
    DetectorOptions options;
    set_option(options, "method", "knn");
    Detector few(test_device(), options);
    few.fit(made_rows(count, 1));
    Report page(few.share());
    page.add(made_rows(20, 2));
    const json edges = data_of(page.html())["scores"]["edges"];
    EXPECT_LT(edges.back(), 1000.0) << count;
    EXPECT_GT(edges.front(), -1000.0) << count;
  }
}

TEST_F(ReportTest, DoesNotDependOnTheChunks) {
  Matrix rows = made_rows(500, 4);
  const std::vector<std::int8_t> labels = spoil(rows);
  Report whole(detector->share()), parts(detector->share());
  whole.add(rows, {.labels = labels});
  for (std::int64_t first = 0; first < 500; first += 130) {
    const std::int64_t count = std::min<std::int64_t>(130, 500 - first);
    parts.add({rows.row(first), count, 4},
              {.labels = std::span(labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))});
  }
  EXPECT_EQ(parts.rows(), 500);
  EXPECT_TRUE(whole.html() == parts.html());
}

TEST_F(ReportTest, ListsTheHighestScoresWithTheirReasons) {
  Matrix rows = made_rows(300, 5);
  rows.row(7)[3] = 9.0f;
  rows.row(200)[0] = -5.0f;
  const json page = report(rows, {}, {.top = 10});
  const std::vector<float> scores = detector->score(rows);
  ASSERT_EQ(page["top"].size(), 10u);
  EXPECT_EQ(page["top"][0]["score"], *std::max_element(scores.begin(), scores.end()));
  std::vector<int> first = {page["top"][0]["row"], page["top"][1]["row"]};
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first, (std::vector<int>{7, 200}));
  const json& reason = page["top"][page["top"][0]["row"] == 7 ? 0 : 1]["reasons"][0];
  EXPECT_EQ(reason["column"], "sum");
  EXPECT_EQ(reason["value"], "9");
  EXPECT_EQ(page["columns"][reason["place"].get<std::size_t>()]["name"], "sum");
  double sum = 0;
  for (const json& entry : page["explained"]["shares"]) sum += entry["share"].get<double>();
  EXPECT_NEAR(sum, 1.0, 0.02);
}

TEST_F(ReportTest, SummarisesColumns) {
  Matrix rows = made_rows(10'000, 6);
  rows.row(3)[0] = std::nanf("");
  rows.row(4)[0] = 50.0f;
  rows.row(5)[0] = -50.0f;
  const json page = report(rows);
  const json& column = page["columns"][0];
  EXPECT_EQ(column["name"], "load");
  EXPECT_EQ(column["missing"], 1);
  EXPECT_EQ(column["least"], -50.0);
  EXPECT_EQ(column["most"], 50.0);
  EXPECT_NEAR(column["quantiles"][2].get<double>(), 0.5, 0.03);
  EXPECT_EQ(page["columns"][1]["name"], "</script>");
}

TEST_F(ReportTest, RowsWithoutAValueOrALabelAreCounted) {
  Matrix rows = made_rows(100, 7);
  std::vector<std::int8_t> labels = spoil(rows);
  for (int c = 0; c < 4; ++c) rows.row(1)[c] = std::nanf("");
  labels[2] = -1;
  const json page = report(rows, labels);
  EXPECT_EQ(page["rows"], 100);
  EXPECT_EQ(page["without_value"], 1);
  EXPECT_EQ(page["labels"]["rows"], 98);
  EXPECT_EQ(page["steps"]["flagged"][0], 99);
}

TEST_F(ReportTest, LabelsOfOneKindGiveNoCurve) {
  const std::vector<std::int8_t> normal(100);
  const json page = report(made_rows(100, 8), normal);
  EXPECT_EQ(page["labels"]["missing"], "All 100 labelled rows are normal: curves and measures need both kinds.");
  EXPECT_FALSE(page.contains("reliability"));
  EXPECT_FALSE(report(made_rows(100, 8)).contains("labels"));
}

TEST_F(ReportTest, ManyRowsMakeNoLargerPage) {
  Report page(detector->share());
  for (std::uint64_t part = 0; part < 10; ++part) {
    Matrix rows = made_rows(20'000, 10 + part);
    const std::vector<std::int8_t> labels = spoil(rows);
    page.add(rows, {.labels = labels});
  }
  const std::string html = page.html();
  EXPECT_LT(html.size(), 500'000u);
  const json data = data_of(html);
  EXPECT_EQ(data["rows"], 200'000);
  EXPECT_LT(data["steps"]["threshold"].size(), 810u);
  EXPECT_EQ(data["steps"]["flagged"][0], 200'000);
}

TEST_F(ReportTest, ASingleRowAndInfiniteCellsMakeAPage) {
  EXPECT_EQ(report(made_rows(1, 9))["steps"]["flagged"][0], 1);
  Matrix rows = made_rows(10, 9);
  rows.row(0)[0] = std::numeric_limits<float>::infinity();
  rows.row(1)[1] = std::numeric_limits<float>::max();
  EXPECT_EQ(report(rows)["rows"], 10);
}

TEST_F(ReportTest, RefusesWhatItCannotReportOn) {
  const auto message = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const Matrix rows = made_rows(5, 1);
  const std::vector<std::int8_t> three(3), strange = {0, 1, 2, 0, 0};
  Report page(detector->share());
  EXPECT_EQ(message([&] { page.html(); }), "a report needs rows, and none was added");
  EXPECT_EQ(message([&] { page.add(rows, {.labels = three}); }),
            "a report was given 3 labels, expected one for each of 5 rows");
  EXPECT_EQ(message([&] { page.add(rows, {.labels = strange}); }),
            "a label is 2, expected 1 (anomaly), 0 (normal) or -1 (unknown)");
  EXPECT_EQ(message([&] { Report(detector->share(), {.top = 0}); }), "a report lists 0 rows, expected 1 to 200");
  EXPECT_EQ(message([&] { Report(Detector(test_device()), {}); }),
            "the detector of a report is not fitted: call fit or load first");
  EXPECT_EQ(page.rows(), 0);
}

TEST_F(ReportTest, IsWrittenWholeOrNotAtAll) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("page.html");
  std::ofstream(path) << "before";
  const auto text = [&] { return (std::stringstream() << std::ifstream(path).rdbuf()).str(); };
  Report page(detector->share());
  EXPECT_THROW(page.write(path), Error);
  EXPECT_EQ(text(), "before");
  page.add(made_rows(5, 1));
  page.write(path);
  EXPECT_EQ(text(), page.html());
  EXPECT_THROW(page.write(directory.file("missing/page.html")), Error);
}

TEST_F(ReportTest, DrawsTheHistoryInPartsOfOneMethodEach) {
  ReportOptions options;
  for (const int models : {2, 20}) {
    for (int step = 100; step <= 60'000; step += 100) {
      FitProgress& progress = options.history.emplace_back();
      progress.step = step;
      progress.models.resize(static_cast<std::size_t>(models));
      progress.models[1].generator_loss = static_cast<float>(step);
    }
  }
  const json page = report(made_rows(5, 1), {}, options);
  const json& phases = page["training"]["phases"];
  ASSERT_EQ(phases.size(), 2u);
  EXPECT_EQ(phases[0]["models"], 2);
  EXPECT_EQ(phases[1]["generator_loss"].size(), 8u);
  EXPECT_LE(phases[0]["steps"].size(), 200u);
  EXPECT_EQ(phases[0]["generator_loss"][1][5], phases[0]["steps"][5]);
}

}  // namespace
}  // namespace cugad::test
