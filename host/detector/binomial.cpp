#include <algorithm>
#include <cmath>
#include <limits>

#include "host/detector/score_calibration.hpp"

namespace cugad {
namespace {

/// log(n!) without std::lgamma, which writes a global of the C library: this is called from any thread.
double log_factorial(double n) {
  if (n < 16) {
    double product = 1;
    for (double factor = 2; factor <= n; ++factor) product *= factor;
    return std::log(product);
  }
  constexpr double half_log_two_pi = 0.91893853320467274178;
  const double x = n + 1, square = x * x;  // Stirling's series of log gamma(x)
  const double series = (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / (1680 * square)) / square) / square) / x;
  return (x - 0.5) * std::log(x) - x + half_log_two_pi + series;
}

/// The continued fraction of the incomplete beta function by Lentz's method (Numerical Recipes 6.4); converges fast for
/// x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = std::numeric_limits<double>::min() / std::numeric_limits<double>::epsilon();
  constexpr double enough = 1e-15;
  const auto away_from_zero = [](double value) { return std::abs(value) < tiny ? tiny : value; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  const int most = 1000 + static_cast<int>(20 * std::sqrt(std::max(a, b)));  // it takes some sqrt(max(a, b)) terms
  for (int m = 1; m <= most; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    const double factor = d * c;
    fraction *= factor;
    if (std::abs(factor - 1) < enough) break;
  }
  return fraction;
}

}  // namespace

double binomial_cdf(std::int64_t successes, std::int64_t trials, double probability) {
  if (successes < 0) return 0;
  if (successes >= trials || probability <= 0) return 1;
  if (probability >= 1) return 0;
  // P(X <= k) is the regularised incomplete beta function I(1 - p; n - k, k + 1).
  const auto n = static_cast<double>(trials), k = static_cast<double>(successes);
  const double a = n - k, b = k + 1, x = 1 - probability;
  // x^a (1 - x)^b / B(a, b), with 1 / B(a, b) = n! / ((n - k - 1)! k!)
  const double front = std::exp(log_factorial(n) - log_factorial(n - k - 1) - log_factorial(k) +
                                a * std::log1p(-probability) + b * std::log(probability));
  const double value =
      x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, probability) / b;
  return std::clamp(value, 0.0, 1.0);
}

}  // namespace cugad
