#include <gtest/gtest.h>

#include "tests/methods/clusters.hpp"

/// Which columns explain a row's score, and what is expected there.
namespace cugad::test {
namespace {

/// A load in {10 .. 90}, a temperature and a rate that follow it, a number of its own, and a state that changes at load
/// 50: "low" below, else "high"; "off" is rare.
constexpr std::int64_t columns = 7;
const std::vector<std::string> names = {"load", "temperature", "rate", "other", "state=low", "state=high", "state=off"};

Matrix machine_rows(std::int64_t rows, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, columns);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = matrix.row(r);
    const double load = 10.0 + 80.0 * numbers.uniform();
    row[0] = static_cast<float>(load);
    row[1] = static_cast<float>(20.0 + 0.5 * load + 0.5 * numbers.normal());
    row[2] = static_cast<float>(1000.0 - 8.0 * load + 10.0 * numbers.normal());
    row[3] = static_cast<float>(numbers.normal());
    row[numbers.uniform() < 0.01 ? 6 : load < 50.0 ? 4 : 5] = 1.0f;
  }
  return matrix;
}

DetectorOptions machine_options(const std::string& methods = "gain") {
  DetectorOptions options = quick_options();
  set_option(options, "method", methods);
  options.hidden = {64, 64};
  options.discriminator_hidden = {32};
  options.steps = 1500;
  options.decay_steps = 1500;
  options.adversarial = 0.1f;
  return options;
}

Detector machine_detector(const std::string& methods = "gain", int threads = 1) {
  Detector detector(test_device(threads), machine_options(methods));
  detector.fit(machine_rows(800, 1).view(), {.names = names, .binary = 3});
  return detector;
}

std::vector<Explanation> explained(Detector& detector, const Matrix& rows, int count = 5) {
  std::vector<Explanation> explanations;
  detector.explain(rows.view(), count, explanations);
  return explanations;
}

/// Temperature and rate of one row in another: each value alone is ordinary.
Matrix with_other_temperatures(std::int64_t rows) {
  Matrix matrix = machine_rows(rows, 2);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = matrix.row(r);
    row[1] = row[0] < 50.0f ? row[1] + 20.0f : row[1] - 20.0f;
  }
  return matrix;
}

class ExplanationsOf : public testing::TestWithParam<const char*> {};

TEST_P(ExplanationsOf, NameTheCellThatDoesNotFitTheOthers) {
  Detector detector = machine_detector(GetParam());
  const Matrix rows = with_other_temperatures(60);
  int first = 0, expected = 0;
  const std::vector<Explanation> explanations = explained(detector, rows);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const Explanation& one = explanations[static_cast<std::size_t>(r)];
    ASSERT_EQ(one.column.size(), 5u) << "the state is one of them";
    double sum = 0.0;
    for (const float share : one.share) {
      EXPECT_GE(share, 0.0f);
      sum += double{share};
    }
    EXPECT_NEAR(sum, 1.0, 1e-5);
    if (one.column[0] != 1) continue;
    ++first;
    const double usual = 20.0 + 0.5 * double{rows.row(r)[0]};
    expected += std::abs(0.5 * double{one.expected[0].low + one.expected[0].high} - usual) < 4.0 ? 1 : 0;
    EXPECT_EQ(one.expected[0].category, -1);
  }
  EXPECT_GE(first, 50);
  EXPECT_GE(expected, first - 5);
}

INSTANTIATE_TEST_SUITE_P(Methods, ExplanationsOf, testing::Values("gain", "knn", "knn,gain"));

/// 90 % of ordinary cells lie in the range that is expected of them, which is narrower than the column's.
TEST(Explanations, RangesHoldOrdinaryCells) {
  Detector detector = machine_detector();
  const Matrix rows = machine_rows(200, 3);
  int inside = 0, all = 0;
  for (std::int64_t r = 0; const Explanation& one : explained(detector, rows)) {
    const float* row = rows.row(r++);
    for (std::size_t k = 0; k < one.column.size(); ++k) {
      if (one.column[k] != 1 && one.column[k] != 2) continue;
      const ExpectedCell& cell = one.expected[k];
      ASSERT_LT(cell.low, cell.high);
      EXPECT_LT(cell.high - cell.low, one.column[k] == 1 ? 20.0f : 400.0f);
      inside += cell.low <= row[one.column[k]] && row[one.column[k]] <= cell.high ? 1 : 0;
      ++all;
    }
  }
  EXPECT_GE(all, 350);
  EXPECT_GE(inside, 0.8 * all);
}

TEST(Explanations, OfACategoryNameItsLikeliestValue) {
  Detector detector = machine_detector();
  Matrix rows = machine_rows(40, 4);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    float* row = rows.row(r);
    row[4] = row[0] < 50.0f ? 0.0f : 1.0f;
    row[5] = 1.0f - row[4];
    row[6] = 0.0f;
  }
  int found = 0;
  for (std::int64_t r = 0; const Explanation& one : explained(detector, rows, 1)) {
    const float* row = rows.row(r++);
    if (std::abs(row[0] - 50.0f) < 10.0f) continue;
    const int given = row[4] == 1.0f ? 4 : 5, usual = 9 - given;
    if (one.column[0] != given) continue;
    EXPECT_EQ(one.expected[0].category, usual);
    EXPECT_GT(one.expected[0].likelihood, 0.5f);
    EXPECT_LE(one.expected[0].likelihood, 1.0f);
    EXPECT_TRUE(std::isnan(one.expected[0].low));
    ++found;
  }
  EXPECT_GE(found, 20);
}

/// A row's explanation does not depend on the rows beside it, nor on the number of threads.
TEST(Explanations, AreTheSameBitsInAnyBatch) {
  for (const char* methods : {"gain", "knn,gain", "anogan"}) {
    Detector detector = machine_detector(methods), threaded = machine_detector(methods, 3);
    Matrix rows = with_other_temperatures(70);
    rows.row(3)[2] = rows.row(5)[0] = missing;
    const std::vector<Explanation> together = explained(detector, rows), other = explained(threaded, rows);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const Matrix one = take_rows(rows, std::vector{r});
      const Explanation& expected = together[static_cast<std::size_t>(r)];
      for (const Explanation& again : {explained(detector, one)[0], other[static_cast<std::size_t>(r)]}) {
        EXPECT_EQ(again.column, expected.column);
        EXPECT_TRUE(same_bits(again.share, expected.share));
        for (std::size_t k = 0; k < expected.expected.size(); ++k) {
          EXPECT_TRUE(same_bits({again.expected[k].low, again.expected[k].high},
                                {expected.expected[k].low, expected.expected[k].high}));
        }
      }
    }
  }
}

TEST(Explanations, GiveNoReasonForCellsThatAreMissingAsExpected) {
  Matrix training = machine_rows(800, 1), rows = with_other_temperatures(20);
  for (std::int64_t r = 0; r < training.rows; r += 3) training.row(r)[3] = missing;
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[3] = missing;
  Detector detector(test_device(1), machine_options());
  detector.fit(training.view(), {.names = names, .binary = 3});
  for (const Explanation& one : explained(detector, rows)) {
    EXPECT_EQ(one.column.back(), 3);
    EXPECT_EQ(one.share.back(), 0.0f);
    EXPECT_EQ(one.finding.back(), Finding::residual);
  }
}

/// What is given is not judged, but a new or missing value of it raises the score as that of any column.
TEST(Explanations, OfAConditionNameItsNewAndMissingValues) {
  DetectorOptions options = machine_options();
  options.condition = {"state", "other"};
  Matrix training = machine_rows(800, 1), rows = machine_rows(30, 2);
  for (std::int64_t r = 0; r < training.rows; ++r) training.row(r)[3] = 0.5f;
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[3] = r % 3 == 2 ? 0.7f : 0.5f;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (r % 3 < 2) std::fill_n(rows.row(r) + 4, 3, r % 3 == 0 ? 0.0f : missing);
  }
  Detector detector(test_device(1), options);
  detector.fit(training.view(), {.names = names, .binary = 3});
  for (std::int64_t r = 0; const Explanation& one : explained(detector, rows)) {
    const std::int64_t kind = r++ % 3;
    EXPECT_EQ(one.column[0], kind == 2 ? 3 : 4);
    EXPECT_EQ(one.finding[0], kind == 1 ? Finding::missing : Finding::unseen);
    EXPECT_GT(one.share[0], 0.3f) << r;
    EXPECT_GT(one.residual[0], 0.0f);
    if (kind == 2) {
      EXPECT_EQ(one.expected[0].low, 0.5f);
    }
    double sum = 0.0;
    for (const float share : one.share) sum += double{share};
    EXPECT_NEAR(sum, 1.0, 1e-5);
  }
}

/// Where nothing finite can fall, the cells that alone make the score infinite explain it, in equal shares.
TEST(Explanations, OfAnInfiniteScoreNameTheCells) {
  Matrix rows = machine_rows(4, 2);
  rows.row(0)[1] = 1e30f;
  rows.row(1)[0] = -1e30f;
  rows.row(2)[1] = rows.row(2)[2] = 1e30f;
  for (const char* methods : {"gain", "knn", "knn,gain", "anogan"}) {
    Detector detector = machine_detector(methods);
    std::vector<Explanation> explanations;
    const std::vector<float> scores = detector.explain(rows.view(), 5, explanations);
    for (std::size_t r = 0; r < 3; ++r) {
      const Explanation& one = explanations[r];
      if (r < 2) {
        EXPECT_EQ(one.column[0], r == 0 ? 1 : 0) << methods;
        EXPECT_GT(one.share[0], 0.9f) << methods << " " << scores[r];
      } else if (std::isinf(scores[r])) {
        EXPECT_EQ(one.column[0] + one.column[1], 3) << methods;
        EXPECT_EQ(one.share[0], 0.5f) << methods;
      }
      EXPECT_FALSE(std::isnan(one.residual[0])) << methods;
      EXPECT_TRUE(std::isfinite(one.expected[0].low)) << methods << scores[r];
    }
  }
}

/// They have no score that could fall.
TEST(Explanations, OfARowWithoutAnyValueHaveNoShares) {
  Matrix row(1, columns);
  row.data.assign(row.data.size(), missing);
  Matrix training = machine_rows(800, 1);
  for (std::int64_t r = 0; r < training.rows; r += 3) training.row(r)[3] = missing;
  for (const char* methods : {"gain", "knn"}) {
    Detector detector(test_device(1), machine_options(methods));
    detector.fit(training.view(), {.names = names, .binary = 3});
    const std::vector<Explanation> explanations = explained(detector, row);
    for (const float share : explanations[0].share) EXPECT_EQ(share, 0.0f);
    for (const Finding finding : explanations[0].finding) EXPECT_EQ(finding, Finding::missing);
  }
}

TEST(Explanations, OfAConstantColumnNameItsValue) {
  Matrix training = machine_rows(800, 1), rows = machine_rows(10, 2);
  for (std::int64_t r = 0; r < training.rows; ++r) training.row(r)[3] = 0.1f;
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[3] = 0.2f;
  for (const char* methods : {"gain", "knn"}) {
    Detector detector(test_device(1), machine_options(methods));
    detector.fit(training.view(), {.names = names, .binary = 3});
    for (const Explanation& one : explained(detector, rows)) {
      EXPECT_EQ(one.column[0], 3);
      EXPECT_EQ(one.finding[0], Finding::unseen);
      EXPECT_EQ(one.expected[0].low, 0.1f);
      EXPECT_EQ(one.expected[0].high, 0.1f);
      EXPECT_GT(one.share[0], 0.0f);
    }
  }
}

}  // namespace
}  // namespace cugad::test
