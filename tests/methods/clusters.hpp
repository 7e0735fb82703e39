#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "cugad/table.hpp"
#include "tests/common/device.hpp"
#include "tests/common/random_words.hpp"

namespace cugad::test {

inline constexpr float missing = std::numeric_limits<float>::quiet_NaN();

/// Normal rows: two clusters, all columns at +-2 with a deviation of 0.3, column c in units of 10^(c % 3).
inline Matrix normal_rows(std::int64_t rows, std::uint64_t seed, std::int64_t columns = 6) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, columns);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double side = numbers.uniform() < 0.5 ? 2.0 : -2.0;
    for (std::int64_t c = 0; c < columns; ++c)
      matrix.row(r)[c] = static_cast<float>(std::pow(10.0, c % 3) * (side + 0.3 * numbers.normal()));
  }
  return matrix;
}

/// Outliers: normal rows with one column at the other cluster's side and beyond; `column[r]` is its number.
inline Matrix outlier_rows(std::int64_t rows, std::uint64_t seed, std::vector<int>* column = nullptr) {
  Matrix matrix = normal_rows(rows, seed);
  RandomNumbers numbers(seed + 1000);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t c = numbers.below(matrix.columns);
    float& cell = matrix.row(r)[c];
    cell = static_cast<float>(-std::copysign(6.0 * std::pow(10.0, c % 3), cell));
    if (column != nullptr) column->push_back(static_cast<int>(c));
  }
  return matrix;
}

/// Normal rows, outliers and rows with missing cells (one of them without any value), mixed.
inline Matrix mixed_rows(std::int64_t rows, std::uint64_t seed) {
  Matrix matrix = normal_rows(rows, seed);
  const Matrix outliers = outlier_rows(rows, seed);
  RandomNumbers numbers(seed + 2000);
  for (std::int64_t r = 0; r < rows; ++r) {
    if (r % 7 == 3) std::copy_n(outliers.row(r), matrix.columns, matrix.row(r));
    if (r % 5 == 1) matrix.row(r)[numbers.below(matrix.columns)] = missing;
    if (r % 100 == 50) std::fill_n(matrix.row(r), matrix.columns, missing);
  }
  return matrix;
}

/// Every row with some value has a finite score, and a row without any has none.
inline void expect_scores(MatrixView<const float> rows, const std::vector<float>& scores) {
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const bool is_empty = std::all_of(rows.row(r), rows.row(r) + rows.columns, [](float x) { return std::isnan(x); });
    const float score = scores[static_cast<std::size_t>(r)];
    ASSERT_TRUE(is_empty ? std::isnan(score) : std::isfinite(score)) << "row " << r << " has score " << score;
  }
}

/// Small networks and few steps.
inline DetectorOptions quick_options() {
  DetectorOptions options;
  options.population = 2;
  options.latent = 3;
  options.hidden = {16};
  options.discriminator_hidden = {16};
  options.steps = 200;
  options.batch = 32;
  options.learning_rate = options.discriminator_learning_rate = 2e-3f;
  options.coverage_rows = 64;
  options.bank_rows = 200;
  options.average_decay = 0.9f;
  return options;
}

/// quick_options() with scores by the latent search.
inline DetectorOptions search_options(SearchStart start) {
  DetectorOptions options = quick_options();
  options.score = ScoreRule::search;
  options.search_from = start;
  options.search_steps = 6;
  options.search_rate = {0.05f, 0.01f};
  options.search_until = {4};
  options.restarts = 3;
  return options;
}

inline Detector fitted(const DetectorOptions& options, const Matrix& rows, int threads = 1) {
  Detector detector(test_device(threads), options);
  detector.fit(rows.view());
  return detector;
}

/// How well scores separate anomalous rows from normal ones.
inline double auroc(Detector& detector, const Matrix& normal, const Matrix& anomalous) {
  std::vector<float> scores = detector.score(normal.view());
  std::vector<std::uint8_t> labels(scores.size(), 0);
  const std::vector<float> high = detector.score(anomalous.view());
  scores.insert(scores.end(), high.begin(), high.end());
  labels.resize(scores.size(), 1);
  return metrics::auroc(labels, scores);
}

/// Runs `action`, which must throw Error with the code and a one-line message that holds every part.
template <class Action>
void expect_error(ErrorCode code, const std::vector<std::string>& parts, Action&& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown, expected an error about " << (parts.empty() ? "" : parts.front());
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message << ": " << part;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

}  // namespace cugad::test
