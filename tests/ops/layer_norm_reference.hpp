#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

/// Layer normalisation of one row in float64, as the contracts define it, with the sums of |terms| that bound the
/// rounding of float32.
namespace cugad::test {

struct NormalisedRow {
  double mean = 0.0, inverse_deviation = 0.0;
  std::vector<double> value;  ///< h^
  std::vector<double> size;   ///< |h^| + inverse_deviation |mean|
};

inline double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}
inline std::vector<double> products(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> result;
  for (std::size_t c = 0; c < a.size(); ++c) result.push_back(a[c] * b[c]);
  return result;
}
inline std::vector<double> sizes(const std::vector<double>& a) {
  std::vector<double> result;
  for (const double value : a) result.push_back(std::abs(value));
  return result;
}

inline NormalisedRow normalise_row(const std::vector<double>& x, double epsilon) {
  NormalisedRow row;
  row.mean = mean_of(x);
  double variance = 0.0;
  for (const double value : x) variance += (value - row.mean) * (value - row.mean);
  row.inverse_deviation = 1.0 / std::sqrt(variance / static_cast<double>(x.size()) + epsilon);
  for (const double value : x) {
    row.value.push_back((value - row.mean) * row.inverse_deviation);
    row.size.push_back(std::abs(row.value.back()) + row.inverse_deviation * std::abs(row.mean));
  }
  return row;
}

/// A vector, and the sums of the |terms| of its elements.
struct RowTerms {
  std::vector<double> value, terms;
};

/// inverse_deviation (t - mean of t - h^ mean of h^ t): the derivative of h^ in direction t, and its transpose.
inline RowTerms derivative_along(const NormalisedRow& row, const std::vector<double>& t) {
  const std::vector<double> size = sizes(t);
  const double mean = mean_of(t), product = mean_of(products(row.value, t));
  const double mean_terms = mean_of(size), product_terms = mean_of(products(row.size, size));
  RowTerms result;
  for (std::size_t c = 0; c < t.size(); ++c) {
    result.value.push_back(row.inverse_deviation * (t[c] - mean - row.value[c] * product));
    result.terms.push_back(row.inverse_deviation * (size[c] + mean_terms + row.size[c] * product_terms));
  }
  return result;
}

/// The gradient of <w, derivative_along(t)> with respect to the row; `sign` -1 with sizes: the terms.
inline std::vector<double> curvature_of(double inverse_deviation, const std::vector<double>& h,
                                        const std::vector<double>& w, const std::vector<double>& t, double sign) {
  const double a = mean_of(products(h, w)), b = mean_of(products(h, t));
  const double w_mean = mean_of(w), t_mean = mean_of(t);
  const double inner = mean_of(products(w, t)) - sign * w_mean * t_mean - sign * 3.0 * a * b;
  std::vector<double> result;
  for (std::size_t c = 0; c < t.size(); ++c) {
    result.push_back(-sign * inverse_deviation * inverse_deviation *
                     (h[c] * inner + b * (w[c] - sign * w_mean) + a * (t[c] - sign * t_mean)));
  }
  return result;
}
inline RowTerms curvature_of(const NormalisedRow& row, const std::vector<double>& w, const std::vector<double>& t) {
  return {curvature_of(row.inverse_deviation, row.value, w, t, 1.0),
          curvature_of(row.inverse_deviation, row.size, sizes(w), sizes(t), -1.0)};
}

inline std::vector<double> row_of(const TypedTensor<float>& tensor, std::int64_t m, std::int64_t r) {
  std::vector<double> row;
  for (std::int64_t c = 0; c < tensor.columns; ++c) row.push_back(tensor.get(m, r, c));
  return row;
}
/// Times the number of each column's channel.
inline std::vector<double> scaled(std::vector<double> row, const TypedTensor<float>& scale, std::int64_t m) {
  for (std::size_t c = 0; c < row.size(); ++c) row[c] *= scale.get(m, 0, static_cast<std::int64_t>(c) % scale.columns);
  return row;
}

}  // namespace cugad::test
