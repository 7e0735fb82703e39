#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

/// Batch normalisation of one column in float64, as the contract defines it: with means and second moments, forward and
/// by the chain rule backward.
namespace cugad::test {

struct NormalisedColumn {
  double mean = 0.0, variance = 0.0;
  std::vector<double> value;  ///< h^
};

/// Statistics that a row beyond the reference rows is normalised with.
struct RowMoments {
  double mean, second;
  double variance() const { return second - mean * mean; }
};

inline RowMoments row_moments(double mean, double variance, double x, std::int64_t reference_rows) {
  const auto r = static_cast<double>(reference_rows);
  return {(r * mean + x) / (r + 1.0), (r * (variance + mean * mean) + x * x) / (r + 1.0)};
}

inline std::int64_t members_of(std::size_t rows, std::int64_t reference_rows) {
  return reference_rows > 0 ? reference_rows : static_cast<std::int64_t>(rows);
}

/// h^ of all rows from the statistics of the column.
inline void normalise_values(NormalisedColumn& column, const std::vector<double>& x, double epsilon,
                             std::int64_t reference_rows) {
  column.value.clear();
  for (std::size_t r = 0; r < x.size(); ++r) {
    const bool member = static_cast<std::int64_t>(r) < members_of(x.size(), reference_rows);
    const RowMoments row = member ? RowMoments{column.mean, column.variance + column.mean * column.mean}
                                  : row_moments(column.mean, column.variance, x[r], reference_rows);
    const double variance = member ? column.variance : row.variance();
    column.value.push_back((x[r] - row.mean) / std::sqrt(variance + epsilon));
  }
}

inline NormalisedColumn normalise_column(const std::vector<double>& x, double epsilon, std::int64_t reference_rows) {
  const auto members = static_cast<std::size_t>(members_of(x.size(), reference_rows));
  NormalisedColumn column;
  for (std::size_t r = 0; r < members; ++r) column.mean += x[r] / static_cast<double>(members);
  for (std::size_t r = 0; r < members; ++r) {
    column.variance += (x[r] - column.mean) * (x[r] - column.mean) / static_cast<double>(members);
  }
  normalise_values(column, x, epsilon, reference_rows);
  return column;
}

/// Gradients of one column, each with the sum of the sizes of its terms.
struct ColumnGradient {
  std::vector<double> dx, dx_terms;
  double dscale = 0.0, dscale_terms = 0.0, dshift = 0.0, dshift_terms = 0.0;
};

/// The chain rule through mean_r, second moment and variance. `dh_terms`: sizes of the terms of dh.
inline ColumnGradient normalise_backward(const std::vector<double>& x, const NormalisedColumn& column, double scale,
                                         double epsilon, std::int64_t reference_rows, const std::vector<double>& dh,
                                         const std::vector<double>& dh_terms) {
  const std::int64_t members = members_of(x.size(), reference_rows);
  const auto count = static_cast<double>(members);
  ColumnGradient gradient;
  gradient.dx.resize(x.size());
  gradient.dx_terms.resize(x.size());
  double of_mean = 0.0, of_mean_terms = 0.0, of_variance = 0.0, of_variance_terms = 0.0;
  for (std::size_t r = 0; r < x.size(); ++r) {
    gradient.dshift += dh[r];
    gradient.dshift_terms += dh_terms[r];
    gradient.dscale += dh[r] * column.value[r];
    gradient.dscale_terms += std::abs(dh_terms[r] * column.value[r]);
    const double of_value = scale * dh[r], share = dh[r] == 0.0 ? 0.0 : std::abs(dh_terms[r] / dh[r]);
    double own, mean_part, variance_part;
    if (static_cast<std::int64_t>(r) < members) {
      const double inverse = 1.0 / std::sqrt(column.variance + epsilon);
      own = of_value * inverse;
      mean_part = -own;
      variance_part = -0.5 * of_value * (x[r] - column.mean) * inverse * inverse * inverse;
    } else {
      const RowMoments row = row_moments(column.mean, column.variance, x[r], reference_rows);
      const double inverse = 1.0 / std::sqrt(row.variance() + epsilon);
      const double of_row_variance = -0.5 * of_value * (x[r] - row.mean) * inverse * inverse * inverse;
      const double of_row_mean = -of_value * inverse - 2.0 * row.mean * of_row_variance;
      own = of_value * inverse + (of_row_mean + 2.0 * x[r] * of_row_variance) / (count + 1.0);
      const double of_second = of_row_variance * count / (count + 1.0);
      // The reference rows' second moment is variance + mean^2.
      mean_part = of_row_mean * count / (count + 1.0) + 2.0 * column.mean * of_second;
      variance_part = of_second;
    }
    gradient.dx[r] = own;
    gradient.dx_terms[r] = std::abs(own) * share;
    of_mean += mean_part;
    of_mean_terms += std::abs(mean_part) * share;
    of_variance += variance_part;
    of_variance_terms += std::abs(variance_part) * share;
  }
  for (std::size_t r = 0; r < static_cast<std::size_t>(members); ++r) {
    const double slope = 2.0 * (x[r] - column.mean) / count;
    gradient.dx[r] += of_mean / count + of_variance * slope;
    gradient.dx_terms[r] += of_mean_terms / count + of_variance_terms * std::abs(slope);
  }
  return gradient;
}

}  // namespace cugad::test
