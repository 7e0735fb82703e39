#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "host/network/network.hpp"

/// Networks and losses in float64 that carry, with each number, how far a float32 computation of it strays. A sum
/// strays by the rounding of its absolute terms, whatever their order, hence on every device; that is handed on through
/// all that follows as independent errors are, by their squares: worst cases would grow a hundredfold with every layer
/// (Higham and Mary 2019, A new approach to probabilistic rounding error analysis). Forward and backward are written
/// anew, without any code of the library.
namespace cugad::test {

constexpr double unit_roundoff = 0x1p-24;
/// A result may be off by so many standard deviations: errors that rows share do not cancel in a sum over rows.
constexpr double deviations = 8.0;
/// A kink counts as passed on the right side where a number is further from it than so many of them.
constexpr double undecided = 3.0;

inline double square(double x) { return x * x; }
/// The variance of a sum of so many terms, from the sum of their absolute values.
inline double rounding(std::int64_t terms, double sum_of_sizes) {
  return square(unit_roundoff * sum_of_sizes) * (1.0 + static_cast<double>(terms) / 4.0);
}

/// Numbers and the variance of each one's error.
struct Bounded {
  explicit Bounded(std::size_t count) : value(count), variance(count) {}
  void add(std::size_t i, double term, double its_variance) {
    value[i] += term;
    variance[i] += its_variance;
  }
  double bound(std::size_t i) const { return deviations * std::sqrt(variance[i]); }
  std::vector<double> value, variance;
};

/// The flat parameters of a network, and their gradient.
struct BoundedParameters {
  explicit BoundedParameters(const std::vector<float>& flat) : parameter(flat.size()), gradient(flat.size()) {
    std::copy(flat.begin(), flat.end(), parameter.value.begin());
  }
  /// What Adam's first step makes of the parameters: it moves by rate * g / (|g| + epsilon), so that the rounding of a
  /// gradient near zero decides where to.
  void take_first_step(double rate) {
    const auto step = [rate](double g) { return rate * g / (std::abs(g) + 1e-8); };
    for (std::size_t i = 0; i < parameter.value.size(); ++i) {
      const double g = gradient.value[i], off = gradient.bound(i), moved = step(g);
      parameter.value[i] -= moved;
      // The moments and their correction are good to 1e-5, as golden.adam has it.
      const double bound = std::max(step(g + off) - moved, moved - step(g - off)) + 1e-5 * rate;
      parameter.variance[i] += square(bound / deviations) + rounding(2, parameter.value[i]);
    }
    gradient = Bounded(gradient.value.size());
  }
  Bounded parameter, gradient;
};

/// A batch at some place of the computation, and the gradient of the losses with respect to it.
struct BoundedRows {
  BoundedRows(std::int64_t rows_, std::int64_t columns_)
      : rows(rows_), columns(columns_), at(size()), gradient(size()) {}
  std::size_t size() const { return static_cast<std::size_t>(rows * columns); }
  std::size_t place(std::int64_t r, std::int64_t c) const { return static_cast<std::size_t>(r * columns + c); }
  std::int64_t rows, columns;
  Bounded at, gradient;
};

/// Records what is computed, and takes it back in the opposite order.
class BoundedComputation {
 public:
  using Rows = BoundedRows&;

  /// Exact numbers.
  Rows input(std::int64_t rows, std::int64_t columns, const double* values) {
    Rows x = made_.emplace_back(rows, columns);
    std::copy_n(values, x.size(), x.at.value.begin());
    return x;
  }
  /// The same numbers, through which no gradient comes back.
  Rows detached(Rows x) {
    Rows copy = made_.emplace_back(x.rows, x.columns);
    copy.at = x.at;
    return copy;
  }
  /// The columns of a, then those of b.
  Rows beside(Rows a, Rows b) {
    Rows y = made_.emplace_back(a.rows, a.columns + b.columns);
    const auto for_each = [&a, &b, &y](auto&& action) {
      for (std::int64_t r = 0; r < y.rows; ++r)
        for (std::int64_t c = 0; c < y.columns; ++c) {
          const bool first = c < a.columns;
          action(first ? a : b, (first ? a : b).place(r, first ? c : c - a.columns), y.place(r, c));
        }
    };
    for_each([&y](Rows from, std::size_t i, std::size_t to) { y.at.add(to, from.at.value[i], from.at.variance[i]); });
    back_.push_back([for_each, &y] {
      for_each([&y](Rows from, std::size_t i, std::size_t to) {
        from.gradient.add(i, y.gradient.value[to], y.gradient.variance[to]);
      });
    });
    return y;
  }
  Rows network(const Network& network, BoundedParameters& flat, Rows x) {
    Rows y = mlp(network.trunk(), flat, 0, x);
    return y;
  }
  /// A network with two branches.
  Rows network(const Network& network, BoundedParameters& flat, Rows x, Rows z) {
    const auto part = [&](std::size_t p, Rows in) -> Rows {
      return mlp(network.parts()[p].mlp, flat, static_cast<std::size_t>(network.parts()[p].offset), in);
    };
    Rows of_x = part(0, x), of_z = part(1, z);
    return part(2, beside(of_x, of_z));
  }
  /// The last hidden layer of the network that gave `y` last.
  Rows features() { return *features_; }

  /// Adds weight * mean over rows of the cross-entropy of the logits with `target`.
  void add_cross_entropy(Rows logit, double target, double weight) {
    const double share = weight / static_cast<double>(logit.rows);
    for (std::size_t i = 0; i < logit.size(); ++i) {
      const double sigmoid = 1.0 / (1.0 + std::exp(-logit.at.value[i]));
      logit.gradient.add(i, share * (sigmoid - target),
                         square(share) * (square(sigmoid * (1.0 - sigmoid)) * logit.at.variance[i] + rounding(8, 1.0)));
    }
  }
  /// Adds weight * mean over all elements of |a - b|.
  void add_distance(Rows a, Rows b, double weight) {
    add_difference(a, b, weight, [](double difference, double variance) {
      const bool decided = std::abs(difference) > undecided * std::sqrt(variance);
      return std::pair(difference > 0.0 ? 1.0 : -1.0, decided ? 0.0 : 4.0);
    });
  }
  /// Adds weight * mean over all elements of (a - b)^2.
  void add_square(Rows a, Rows b, double weight) {
    add_difference(a, b, weight,
                   [](double difference, double variance) { return std::pair(2.0 * difference, 4.0 * variance); });
  }
  void backward() {
    for (; !back_.empty(); back_.pop_back()) back_.back()();
  }

 private:
  template <class Derivative>
  void add_difference(Rows a, Rows b, double weight, Derivative&& derivative_of) {
    const double share = weight / static_cast<double>(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double difference = a.at.value[i] - b.at.value[i];
      const auto [derivative, its_variance] =
          derivative_of(difference, a.at.variance[i] + b.at.variance[i] + rounding(1, difference));
      const double variance = square(share) * (its_variance + rounding(4, derivative));
      a.gradient.add(i, share * derivative, variance);
      b.gradient.add(i, -share * derivative, variance);
    }
  }
  Rows mlp(const Mlp& network, BoundedParameters& flat, std::size_t offset, Rows x) {
    BoundedRows* y = &x;
    for (int l = 0; l < network.layers(); ++l) {
      features_ = y;
      y = &layer(network.layer(l), flat, offset + static_cast<std::size_t>(network.weight_offset(l)),
                 offset + static_cast<std::size_t>(network.bias_offset(l)), *y);
    }
    return *y;
  }
  /// y = act(x W' + b), act one of identity, ReLU and leaky ReLU.
  Rows layer(const LayerSpec& spec, BoundedParameters& flat, std::size_t weight, std::size_t bias, Rows x) {
    Rows y = made_.emplace_back(x.rows, spec.out);
    const Bounded& p = flat.parameter;
    const double below = spec.activation == Activation::identity ? 1.0
                         : spec.activation == Activation::relu   ? 0.0
                                                                 : static_cast<double>(spec.slope);
    // The slope of each unit, and its variance where rounding decides the sign.
    std::vector<double> slope(y.size()), slope_variance(y.size());
    for (std::int64_t r = 0; r < y.rows; ++r)
      for (std::int64_t o = 0; o < y.columns; ++o) {
        const auto b = bias + static_cast<std::size_t>(o);
        double h = p.value[b], sizes = std::abs(p.value[b]), variance = p.variance[b];
        for (std::int64_t k = 0; k < x.columns; ++k) {
          const std::size_t i = x.place(r, k), w = weight + static_cast<std::size_t>(o * x.columns + k);
          h += p.value[w] * x.at.value[i];
          sizes += std::abs(p.value[w] * x.at.value[i]);
          variance += of_product(p, w, x.at, i);
        }
        variance += rounding(x.columns, sizes);
        const std::size_t j = y.place(r, o);
        slope[j] = h > 0.0 ? 1.0 : below;
        slope_variance[j] = std::abs(h) <= undecided * std::sqrt(variance) ? square(1.0 - below) : 0.0;
        y.at.add(j, slope[j] * h, variance);
      }
    back_.push_back([&flat, weight, bias, &x, &y, slope, slope_variance] {
      // The gradient before the activation.
      Bounded dh(y.size());
      for (std::size_t j = 0; j < y.size(); ++j) {
        const double g = y.gradient.value[j];
        dh.add(j, g * slope[j],
               y.gradient.variance[j] * (square(slope[j]) + slope_variance[j]) + square(g) * slope_variance[j] +
                   rounding(1, g * slope[j]));
      }
      const Bounded& p = flat.parameter;
      for (std::int64_t o = 0; o < y.columns; ++o) {
        const auto b = bias + static_cast<std::size_t>(o);
        for (std::int64_t k = -1; k < x.columns; ++k) {  // -1: the bias
          const std::size_t at = k < 0 ? b : weight + static_cast<std::size_t>(o * x.columns + k);
          double sizes = 0.0;
          for (std::int64_t r = 0; r < y.rows; ++r) {
            const std::size_t j = y.place(r, o), i = k < 0 ? 0 : x.place(r, k);
            const double factor = k < 0 ? 1.0 : x.at.value[i];
            flat.gradient.add(at, dh.value[j] * factor, k < 0 ? dh.variance[j] : of_product(dh, j, x.at, i));
            sizes += std::abs(dh.value[j] * factor);
          }
          flat.gradient.variance[at] += rounding(y.rows, sizes);
        }
      }
      for (std::int64_t r = 0; r < y.rows; ++r)
        for (std::int64_t k = 0; k < x.columns; ++k) {
          double sizes = 0.0;
          for (std::int64_t o = 0; o < y.columns; ++o) {
            const std::size_t j = y.place(r, o), w = weight + static_cast<std::size_t>(o * x.columns + k);
            x.gradient.add(x.place(r, k), dh.value[j] * p.value[w], of_product(dh, j, p, w));
            sizes += std::abs(dh.value[j] * p.value[w]);
          }
          x.gradient.variance[x.place(r, k)] += rounding(y.columns, sizes);
        }
    });
    return y;
  }
  /// The variance of a[i] * b[j].
  static double of_product(const Bounded& a, std::size_t i, const Bounded& b, std::size_t j) {
    return square(a.value[i]) * b.variance[j] + square(b.value[j]) * a.variance[i] + a.variance[i] * b.variance[j];
  }

  std::deque<BoundedRows> made_;  ///< whose elements never move
  std::vector<std::function<void()>> back_;
  BoundedRows* features_ = nullptr;
};

}  // namespace cugad::test
