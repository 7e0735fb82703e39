#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "cugad/metrics.hpp"
#include "cugad/rng.hpp"
#include "host/cli/reproduce/baseline_inputs.hpp"
#include "host/cli/reproduce/denoising_autoencoder.hpp"
#include "host/cli/reproduce/isolation_forest.hpp"
#include "host/cli/reproduce/mahalanobis.hpp"
#include "host/cli/reproduce/neighbour_baselines.hpp"

namespace cugad::cli {
namespace {

Matrix matrix_of(const std::vector<std::vector<float>>& rows) {
  Matrix matrix(static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size()));
  for (std::size_t r = 0; r < rows.size(); ++r) std::copy(rows[r].begin(), rows[r].end(), matrix.row(r));
  return matrix;
}

float uniform(std::uint32_t seed, std::uint32_t element) {
  return static_cast<float>(philox4x32_10({element, 0, 0, 0}, seed)[0] >> 8) * 0x1p-24f;
}

/// Integers from 0 to 9: some rows occur twice.
Matrix integer_rows(std::int64_t rows, std::int64_t columns, std::uint32_t seed) {
  Matrix matrix(rows, columns);
  for (std::size_t i = 0; i < matrix.data.size(); ++i) {
    matrix.data[i] = std::floor(10 * uniform(seed, static_cast<std::uint32_t>(i)));
  }
  return matrix;
}

/// A cloud about 0, and in the test rows anomalies on a sphere around it.
Trial cloud(std::int64_t columns) {
  const auto cell = [&](std::uint32_t seed, std::int64_t i) {
    float sum = 0;
    for (std::uint32_t k = 0; k < 6; ++k) sum += uniform(seed, static_cast<std::uint32_t>(6 * i + k)) - 0.5f;
    return sum;
  };
  Trial trial;
  trial.train = Matrix(400, columns);
  trial.test = Matrix(200, columns);
  for (std::int64_t i = 0; i < 400 * columns; ++i) trial.train.data[i] = cell(1, i);
  for (std::int64_t i = 0; i < 200 * columns; ++i) trial.test.data[i] = cell(2, i);
  for (std::int64_t r = 0; r < 200; ++r) trial.label.push_back(r % 4 == 0);
  for (std::int64_t r = 0; r < 200; r += 4) trial.test.row(r)[r / 4 % columns] = r % 8 == 0 ? 3.0f : -3.0f;
  return trial;
}

/// In float64: distances to all rows of the bank but `left_out`, ascending.
std::vector<double> sorted_distances(const std::vector<double>& row, const std::vector<std::vector<double>>& bank,
                                     std::size_t left_out = std::numeric_limits<std::size_t>::max()) {
  std::vector<double> distances;
  for (std::size_t other = 0; other < bank.size(); ++other) {
    double squared = 0;
    for (std::size_t c = 0; c < row.size(); ++c) squared += std::pow(row[c] - bank[other][c], 2);
    if (other != left_out) distances.push_back(std::sqrt(squared));
  }
  std::sort(distances.begin(), distances.end());
  return distances;
}

double mean_of_five(const std::vector<double>& sorted) {
  return (sorted[0] + sorted[1] + sorted[2] + sorted[3] + sorted[4]) / 5;
}

std::vector<std::vector<double>> rows_of(const Matrix& matrix) {
  std::vector<std::vector<double>> rows;
  for (std::int64_t r = 0; r < matrix.rows; ++r) rows.emplace_back(matrix.row(r), matrix.row(r) + matrix.columns);
  return rows;
}

const Units raw = {Scale::none, "none"};

TEST(NeighbourBaselines, EqualBruteForce) {
  Trial trial;
  trial.train = integer_rows(60, 3, 1);
  trial.test = integer_rows(25, 3, 2);
  BaselineInputs inputs(trial, 1);
  const std::vector<float> first = inputs.score(kth_neighbour_baseline("k1", "", 1, raw)).scores;
  const std::vector<float> fifth = inputs.score(kth_neighbour_baseline("k5", "", 5, raw)).scores;
  const std::vector<float> mean = inputs.score(mean_neighbour_baseline("m", "", raw)).scores;
  const auto train = rows_of(trial.train), test = rows_of(trial.test);
  for (std::size_t r = 0; r < test.size(); ++r) {
    const std::vector<double> expected = sorted_distances(test[r], train);
    EXPECT_NEAR(first[r], expected[0], 1e-5);
    EXPECT_NEAR(fifth[r], expected[4], 1e-5);
    EXPECT_NEAR(mean[r], mean_of_five(expected), 1e-5);
  }
}

TEST(NeighbourBaselines, TrainingRowsAreLeftOutOfTheirNeighbours) {
  Trial trial;
  trial.train = integer_rows(60, 2, 3);  // 100 places: some rows are equal
  trial.test = integer_rows(1, 2, 4);
  BaselineInputs inputs(trial, 1);
  const NeighbourDistances& others = inputs.nearest_others(raw);
  const auto train = rows_of(trial.train);
  bool has_equal_rows = false;
  for (std::size_t r = 0; r < train.size(); ++r) {
    const std::vector<double> expected = sorted_distances(train[r], train, r);
    for (std::int32_t k = 0; k < 5; ++k) EXPECT_NEAR(others.at(r, k), expected[k], 1e-5);
    has_equal_rows = has_equal_rows || expected[0] == 0;
  }
  EXPECT_TRUE(has_equal_rows);
}

/// numpy.percentile.
double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double above = values[std::min(below + 1, values.size() - 1)];
  return values[below] + (place - static_cast<double>(below)) * (above - values[below]);
}

TEST(NeighbourBaselines, SummedDistancesEqualTheirDefinition) {
  Trial trial;
  trial.train = integer_rows(60, 3, 5);  // skewness about 0: the log1p rule leaves it alone
  trial.test = integer_rows(25, 3, 6);
  auto train = rows_of(trial.train), test = rows_of(trial.test);
  for (std::size_t c = 0; c < 3; ++c) {
    double mean = 0, variance = 0;
    for (const auto& row : train) mean += row[c] / 60;
    for (const auto& row : train) variance += std::pow(row[c] - mean, 2) / 60;
    for (auto* rows : {&train, &test}) {
      for (auto& row : *rows) row[c] = (row[c] - mean) / std::sqrt(variance);
    }
  }
  std::vector<double> first, mean;
  for (std::size_t r = 0; r < train.size(); ++r) {
    const std::vector<double> others = sorted_distances(train[r], train, r);
    first.push_back(others[0]);
    mean.push_back(mean_of_five(others));
  }
  const auto u = [](double score, const std::vector<double>& held) {
    const double z = (score - quantile(held, .5)) / ((quantile(held, .95) - quantile(held, .05)) / 3.29);
    return std::copysign(std::log(1 + std::abs(z)), z);
  };
  BaselineInputs inputs(trial, 1);
  const std::vector<float> scores = inputs.score(summed_distances_baseline()).scores;
  for (std::size_t r = 0; r < test.size(); ++r) {
    const std::vector<double> nearest = sorted_distances(test[r], train);
    EXPECT_NEAR(scores[r], u(nearest[0], first) + u(mean_of_five(nearest), mean), 1e-5);
  }
}

TEST(NeighbourBaselines, FewAndEqualTrainingRowsScoreFinite) {
  for (const std::int64_t rows : {1, 3}) {
    Trial trial;
    trial.train = Matrix(rows, 2);
    trial.test = matrix_of({{0, 0}, {3, 4}});
    BaselineInputs inputs(trial, 1);
    const std::vector<float> scores = inputs.score(summed_distances_baseline()).scores;
    EXPECT_EQ(scores[0], 0);
    EXPECT_NEAR(scores[1], 2 * std::log(6.0), 1e-6);
  }
}

TEST(BaselineInputs, SharedWorkIsChargedToEachBaseline) {
  Trial trial;
  trial.train = integer_rows(3000, 20, 7);
  trial.test = integer_rows(3000, 20, 8);
  BaselineInputs inputs(trial, 1);
  const double first = inputs.score(kth_neighbour_baseline("k1", "", 1, {})).seconds;
  const double second = inputs.score(kth_neighbour_baseline("k5", "", 5, {})).seconds;
  EXPECT_GT(second, first / 4);
}

TEST(BaselineInputs, MissingCellsTakeTheCentre) {
  Trial trial = cloud(4);
  trial.train.row(0)[1] = trial.test.row(0)[2] = std::numeric_limits<float>::quiet_NaN();
  BaselineInputs inputs(trial, 1);
  EXPECT_EQ(inputs.scaled().train.row(0)[1], 0);
  EXPECT_EQ(inputs.scaled().test.row(0)[2], 0);
}

/// Rows (+-1, 0) and (0, +-2): S = diag(.5, 2), m = 1.25, |S - m I|^2 = 1.125, the mean of |x x' - S|^2 is 4.25; so r =
/// 4.25 / 4 / 1.125 = 17 / 18 and the variances are (1 - r) S + r m = 29 / 24 and 31 / 24.
TEST(Mahalanobis, ShrinksAsByHand) {
  const Mahalanobis mahalanobis(matrix_of({{1, 0}, {-1, 0}, {0, 2}, {0, -2}}));
  const float first[] = {1, 0}, second[] = {0, 3};
  EXPECT_NEAR(mahalanobis.shrinkage(), 17.0 / 18, 1e-14);
  EXPECT_NEAR(mahalanobis.distance(first), std::sqrt(24.0 / 29), 1e-14);
  EXPECT_NEAR(mahalanobis.distance(second), 3 * std::sqrt(24.0 / 31), 1e-14);
}

/// scikit-learn 1.9: LedoitWolf().fit(x).mahalanobis(q), with a collinear and a constant column:
/// x = [[((7 i i + 3 i j + 5 j j) % 23) / 4 for j in range(3)] for i in range(12)]; x = c_[x, x[:, 0] + x[:, 1], 2]
TEST(Mahalanobis, EqualsLedoitWolfOfScikitLearn) {
  Matrix rows(12, 5);
  for (int i = 0; i < 12; ++i) {
    for (int j = 0; j < 3; ++j) rows.row(i)[j] = static_cast<float>((7 * i * i + 3 * i * j + 5 * j * j) % 23) / 4;
    rows.row(i)[3] = rows.row(i)[0] + rows.row(i)[1];
    rows.row(i)[4] = 2;
  }
  const Mahalanobis mahalanobis(rows);
  const Matrix query = matrix_of({{1, 2, 3, 3, 2}, {1, 2, 3, 4, 2}, {9, 0, 1, 9, 5}});
  EXPECT_NEAR(mahalanobis.shrinkage(), 0.38322568722104156, 1e-12);
  EXPECT_NEAR(mahalanobis.distance(query.row(0)), 2.01936304, 1e-8);
  EXPECT_NEAR(mahalanobis.distance(query.row(1)), 1.80690463, 1e-8);
  EXPECT_NEAR(mahalanobis.distance(query.row(2)), 5.28902185, 1e-8);
}

TEST(Mahalanobis, EqualRowsGiveEuclideanDistance) {
  const Mahalanobis mahalanobis(Matrix(3, 2));
  const float row[] = {3, 4};
  EXPECT_NEAR(mahalanobis.distance(row), 5, 1e-12);
}

TEST(Mahalanobis, ExactlyCollinearColumnsStayFinite) {
  Matrix rows(4000, 2);
  for (std::int64_t r = 0; r < rows.rows; ++r)
    rows.row(r)[0] = rows.row(r)[1] = static_cast<float>(r % 2 == 0 ? 1 : -1);
  const Mahalanobis mahalanobis(rows);
  const float along[] = {1, 1}, across[] = {1, -1};
  EXPECT_NEAR(mahalanobis.distance(along), 1, 0.01);
  EXPECT_TRUE(std::isfinite(mahalanobis.distance(across)));
  EXPECT_GT(mahalanobis.distance(across), 30);
}

TEST(IsolationForest, UsualPathLength) {
  EXPECT_EQ(IsolationForest::average_path_length(1), 0);
  EXPECT_EQ(IsolationForest::average_path_length(2), 1);
  // 2 (log 255 + .5772156649) - 2 * 255 / 256
  EXPECT_NEAR(IsolationForest::average_path_length(256), 10.2447709, 1e-7);
}

TEST(IsolationForest, PathLengthsByHand) {
  // Two rows: every tree splits them once, so h = 1 = c(2).
  const Matrix two = matrix_of({{0, 0}, {1, 0}});
  EXPECT_EQ(IsolationForest(two, 1).score(two.row(0)), 0.5);
  EXPECT_EQ(IsolationForest(two, 1).score(two.row(1)), 0.5);
  // Equal rows cannot be split: h = 0 + c(3).
  const Matrix equal(3, 2);
  EXPECT_NEAR(IsolationForest(equal, 1).score(equal.row(0)), 0.5, 1e-12);
  // Rows 0, 0 and 1: one split leaves {0, 0} at depth 1 + c(2) = 2 and {1} at depth 1.
  const Matrix three = matrix_of({{0}, {0}, {1}});
  const double c = IsolationForest::average_path_length(3);
  EXPECT_NEAR(IsolationForest(three, 1).score(three.row(0)), std::exp2(-2 / c), 1e-12);
  EXPECT_NEAR(IsolationForest(three, 1).score(three.row(2)), std::exp2(-1 / c), 1e-12);
}

TEST(IsolationForest, SeedsDecide) {
  const Matrix rows = cloud(3).train;
  EXPECT_EQ(IsolationForest(rows, 1).score(rows.row(5)), IsolationForest(rows, 1).score(rows.row(5)));
  EXPECT_NE(IsolationForest(rows, 1).score(rows.row(5)), IsolationForest(rows, 2).score(rows.row(5)));
}

TEST(Baselines, FindOutliersWhateverTheThreads) {
  const Trial trial = cloud(4);
  for (const Baseline& baseline : {isolation_forest_baseline(), mahalanobis_baseline(), summed_distances_baseline()}) {
    BaselineInputs one(trial, 1), three(trial, 3);
    const std::vector<float> scores = one.score(baseline).scores;
    // scikit-learn's forests have .93 to .95 on such a cloud.
    EXPECT_GT(metrics::auroc(trial.label, scores), 0.92) << baseline.key;
    EXPECT_EQ(scores, three.score(baseline).scores) << baseline.key;
  }
}

/// Two columns that agree in every training row: a row whose columns differ is an anomaly, though each column alone is
/// usual.
TEST(DenoisingAutoencoder, FindsBrokenDependence) {
  Trial trial;
  trial.train = Matrix(300, 2);
  trial.test = Matrix(100, 2);
  for (auto* rows : {&trial.train, &trial.test}) {
    for (std::int64_t r = 0; r < rows->rows; ++r) {
      rows->row(r)[0] = rows->row(r)[1] = static_cast<float>(r % 7) - 3;
    }
  }
  for (std::int64_t r = 0; r < 100; ++r) {
    trial.label.push_back(r % 2 == 1 && std::abs(trial.test.row(r)[0]) > 1);
    if (trial.label.back()) trial.test.row(r)[1] *= -1;
  }
  BaselineInputs inputs(trial, 1);
  const std::vector<float> scores = inputs.score(denoising_autoencoder_baseline()).scores;
  EXPECT_GT(metrics::auroc(trial.label, scores), 0.95);
}

}  // namespace
}  // namespace cugad::cli
