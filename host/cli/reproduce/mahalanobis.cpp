#include "host/cli/reproduce/mahalanobis.hpp"

#include <algorithm>
#include <cmath>

#include "host/cli/reproduce/baseline_inputs.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cli {
namespace {

std::vector<double> mean_row(const Matrix& rows) {
  std::vector<double> mean(static_cast<std::size_t>(rows.columns));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) mean[c] += rows.row(r)[c];
  }
  for (double& value : mean) value /= static_cast<double>(rows.rows);
  return mean;
}

struct Covariance {
  std::vector<double> lower;  ///< [columns, columns], divided by the rows; nothing above the diagonal
  double fourth_powers = 0;   ///< sum over rows of |x - mean|^4
};

Covariance covariance_of(const Matrix& rows, const std::vector<double>& mean) {
  const std::int64_t d = rows.columns;
  Covariance covariance = {.lower = std::vector<double>(static_cast<std::size_t>(d * d))};
  std::vector<double> centred(static_cast<std::size_t>(d));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    double squared_norm = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      centred[c] = rows.row(r)[c] - mean[c];
      squared_norm += centred[c] * centred[c];
    }
    covariance.fourth_powers += squared_norm * squared_norm;
    for (std::int64_t i = 0; i < d; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) covariance.lower[i * d + j] += centred[i] * centred[j];
    }
  }
  for (double& value : covariance.lower) value /= static_cast<double>(rows.rows);
  return covariance;
}

/// Ledoit and Wolf's estimate: the variance of the sample covariance over its squared distance from m I, at most 1.
double estimate_shrinkage(const Covariance& covariance, std::int64_t rows, std::int64_t d, double m) {
  double squared_norm = 0;  // of S
  for (std::int64_t i = 0; i < d; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) {
      squared_norm += (i == j ? 1 : 2) * covariance.lower[i * d + j] * covariance.lower[i * d + j];
    }
  }
  const auto n = static_cast<double>(rows);
  const double from_identity = squared_norm - m * m * static_cast<double>(d);
  const double variance = (covariance.fourth_powers / n - squared_norm) / n;
  return from_identity > 0 ? std::clamp(variance / from_identity, 0.0, 1.0) : 1.0;
}

/// Replaces the lower triangle of a positive definite matrix by its Cholesky factor.
void factorise(std::vector<double>& lower, std::int64_t d) {
  for (std::int64_t i = 0; i < d; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) {
      double sum = lower[i * d + j];
      for (std::int64_t k = 0; k < j; ++k) sum -= lower[i * d + k] * lower[j * d + k];
      lower[i * d + j] = i == j ? std::sqrt(sum) : sum / lower[j * d + j];
    }
  }
}

std::vector<float> mahalanobis_scores(BaselineInputs& inputs) {
  const ScaledRows& rows = inputs.scaled();
  const Mahalanobis mahalanobis(rows.train);
  std::vector<float> scores(static_cast<std::size_t>(rows.test.rows));
  cpu::parallel_ranges(inputs.threads(), rows.test.rows, [&](int, std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) scores[r] = static_cast<float>(mahalanobis.distance(rows.test.row(r)));
  });
  return scores;
}

}  // namespace

Mahalanobis::Mahalanobis(const Matrix& rows) : columns_(rows.columns), mean_(mean_row(rows)) {
  Covariance covariance = covariance_of(rows, mean_);
  double m = 0;
  for (std::int64_t i = 0; i < columns_; ++i) {
    m += covariance.lower[i * columns_ + i] / static_cast<double>(columns_);
  }
  shrinkage_ = estimate_shrinkage(covariance, rows.rows, columns_, m);
  // Equal rows have no spread: their distance is Euclidean. Rounding may leave a collinear direction without variance.
  const double least = m > 0 ? std::max(shrinkage_ * m, 1e-12 * m) : 1.0;
  for (double& value : covariance.lower) value *= 1 - shrinkage_;
  for (std::int64_t i = 0; i < columns_; ++i) covariance.lower[i * columns_ + i] += least;
  factorise(covariance.lower, columns_);
  factor_ = std::move(covariance.lower);
}

double Mahalanobis::distance(const float* row) const {
  std::vector<double> whitened(static_cast<std::size_t>(columns_));
  double squared = 0;
  for (std::int64_t i = 0; i < columns_; ++i) {
    double value = row[i] - mean_[i];
    for (std::int64_t k = 0; k < i; ++k) value -= factor_[i * columns_ + k] * whitened[k];
    whitened[i] = value / factor_[i * columns_ + i];
    squared += whitened[i] * whitened[i];
  }
  return std::sqrt(squared);
}

Baseline mahalanobis_baseline() { return {"mahalanobis", "Mahalanobis", mahalanobis_scores}; }

}  // namespace cugad::cli
