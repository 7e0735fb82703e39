#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

/// Goodness of fit for tests of random numbers.
namespace cugad::test {

inline double normal_cumulative(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// sqrt(n) times the Kolmogorov-Smirnov distance to a distribution; above 2.2 with a chance of 1 in 8,000. The tests'
/// numbers come from fixed seeds, so that a test either passes always or never.
template <class Cumulative>
double kolmogorov_smirnov(std::vector<double> values, Cumulative&& cumulative) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double p = cumulative(values[i]), at = static_cast<double>(i);
    distance = std::max({distance, p - at / n, (at + 1.0) / n - p});
  }
  return distance * std::sqrt(n);
}

inline double moment(const std::vector<double>& values, int power) {
  double sum = 0.0;
  for (const double value : values) sum += std::pow(value, power);
  return sum / static_cast<double>(values.size());
}

}  // namespace cugad::test
