#include "host/cli/reproduce/image_baselines.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "cugad/rng.hpp"
#include "host/cli/reproduce/baseline_inputs.hpp"
#include "host/cli/reproduce/principal_components.hpp"

namespace cugad::cli {
namespace {

using Vector = std::vector<double>;

float uniform(std::uint32_t seed, std::uint32_t element) {
  return static_cast<float>(philox4x32_10({element, 0, 0, 0}, seed)[0] >> 8) * 0x1p-24f;
}

/// Rows whose columns have the mean 0 and whose variance falls from direction to direction.
Matrix falling_rows(std::int64_t rows, std::int64_t columns) {
  Matrix matrix(rows, columns);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t k = 0; k < columns; ++k) {
      const double share = (uniform(1, static_cast<std::uint32_t>(r * columns + k)) - 0.5) * std::pow(0.9, k);
      for (std::int64_t c = 0; c < columns; ++c) {
        const double angle = std::numbers::pi * static_cast<double>(k) * (static_cast<double>(c) + 0.5);
        matrix.row(r)[c] += static_cast<float>(share * std::cos(angle / static_cast<double>(columns)));
      }
    }
  }
  for (std::int64_t c = 0; c < columns; ++c) {
    double mean = 0;
    for (std::int64_t r = 0; r < rows; ++r) mean += matrix.row(r)[c] / static_cast<double>(rows);
    for (std::int64_t r = 0; r < rows; ++r) matrix.row(r)[c] -= static_cast<float>(mean);
  }
  return matrix;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// X' X v.
Vector times_covariance(const Matrix& rows, const Vector& v) {
  Vector result(v.size());
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const Vector row(rows.row(r), rows.row(r) + rows.columns);
    const double place = dot(row, v);
    for (std::size_t c = 0; c < v.size(); ++c) result[c] += place * row[c];
  }
  return result;
}

/// In float64: the components are orthonormal eigenvectors of X' X by falling eigenvalues, and no direction that they
/// leave has more variance than the last of them.
TEST(PrincipalComponents, AreTheDirectionsOfTheLargestVariance) {
  for (const auto& [rows, columns, count] : {std::array<std::int64_t, 3>{200, 70, 9}, {20, 50, 5}, {150, 12, 11}}) {
    const Matrix matrix = falling_rows(rows, columns);
    const PrincipalComponents components(matrix, count, 2);
    ASSERT_EQ(components.components().rows, count);
    std::vector<Vector> axes;
    Vector variance;
    for (std::int64_t k = 0; k < count; ++k) {
      const float* axis = components.components().row(k);
      axes.emplace_back(axis, axis + columns);
      const Vector image = times_covariance(matrix, axes.back());
      variance.push_back(dot(axes.back(), image));
      for (std::size_t c = 0; c < image.size(); ++c) {
        EXPECT_NEAR(image[c], variance.back() * axes.back()[c], 1e-4 * variance.front()) << rows << ' ' << k;
      }
      for (std::int64_t other = 0; other <= k; ++other) {
        EXPECT_NEAR(dot(axes[other], axes[k]), other == k ? 1.0 : 0.0, 1e-4);
      }
      EXPECT_LE(variance[k], variance[std::max<std::int64_t>(k - 1, 0)] * (1 + 1e-5));
    }
    const Matrix left = components.residuals(matrix);
    Vector direction(columns, 1.0);
    double largest = 0;
    for (int i = 0; i < 200; ++i) {
      const double length = std::sqrt(dot(direction, direction));
      for (double& value : direction) value /= length;
      direction = times_covariance(left, direction);
      largest = std::sqrt(dot(direction, direction));
      if (largest == 0) break;
    }
    EXPECT_LE(largest, variance.back() * (1 + 1e-4) + 1e-9 * variance.front());
  }
}

TEST(PrincipalComponents, OfFewerDirectionsLeaveNothing) {
  Matrix matrix(6, 10);
  for (std::int64_t r = 0; r < 6; ++r) {
    for (std::int64_t c = 0; c < 10; ++c) matrix.row(r)[c] = static_cast<float>((r % 2 == 0 ? 1 : -1) * (c + 1));
  }
  const PrincipalComponents components(matrix, 32, 1);
  for (const float value : components.residuals(matrix).data) EXPECT_NEAR(value, 0, 1e-5);
  for (const float value : PrincipalComponents(Matrix(4, 3), 2, 1).residuals(Matrix(1, 3)).data) EXPECT_EQ(value, 0);
}

/// Scores are the lengths of the maps, but for kNN, whose map is a mean of differences; threads change nothing.
TEST(ImageBaselines, HaveMapsOfTheirScores) {
  Trial trial;
  trial.train = falling_rows(100, 48);
  trial.test = falling_rows(30, 48);
  for (float& value : trial.train.data) value += 3;
  for (const Baseline& baseline : {pixel_neighbour_baseline(), principal_component_baseline(), mean_image_baseline()}) {
    BaselineInputs one(trial, 1), three(trial, 3);
    const std::vector<float> scores = one.score(baseline).scores, map = baseline.residuals(one);
    EXPECT_EQ(scores, three.score(baseline).scores) << baseline.key;
    EXPECT_EQ(map, baseline.residuals(three)) << baseline.key;
    ASSERT_EQ(map.size(), trial.test.data.size());
    for (std::int64_t r = 0; r < 30; ++r) {
      double squares = 0;
      for (std::int64_t c = 0; c < 48; ++c) {
        EXPECT_GE(map[r * 48 + c], 0);
        squares += double{map[r * 48 + c]} * map[r * 48 + c];
      }
      if (baseline.key == "knn") {
        EXPECT_LE(std::sqrt(squares), scores[r] * (1 + 1e-5));  // the length of a mean, and the mean of lengths
      } else {
        EXPECT_NEAR(std::sqrt(squares), scores[r], 1e-4 * scores[r]);
      }
    }
  }
}

}  // namespace
}  // namespace cugad::cli
