#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  double range = 2.0;  ///< of the log variances
  bool forward = true, backward = true;
  bool exact = false;  ///< log variances of 0
  bool perf = false;
  Layout layout = Layout::contiguous;
};

double deviation_of(double log_variance) { return std::exp(0.5 * std::clamp(log_variance, -10.0, 10.0)); }
double slope_of(double log_variance, double noise) {
  return log_variance < -10.0 || log_variance > 10.0 ? 0.0 : 0.5 * deviation_of(log_variance) * noise;
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, k] = std::array{shape.models, shape.rows, shape.columns};
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-8, 8)) : random.normal(); };
  auto& statistics = problem.input("statistics", models, rows, 2 * k).by_item().fill(number);
  const double edges[] = {10.0, -10.0, 10.5, -10.5, 0.0, 1e30, -1e30};
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < k; ++c) {
        double value = shape.exact ? 0.0 : random.normal() * shape.range;
        if (!shape.exact && random.chance(0.1)) value = edges[random.integer(0, 6)];
        statistics.set(m, r, k + c, static_cast<float>(value));
      }
  auto& noise = problem.input("noise", models, rows, k).by_item().fill(number);
  auto& z = problem.output("z", models, rows, k).by_item();
  auto& dz = problem.input("dz", models, rows, k).by_item().fill(number);
  auto& gradient = problem.output("dstatistics", models, rows, 2 * k).by_item();
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < k; ++c) {
        const double mean = statistics.get(m, r, c), log_variance = statistics.get(m, r, k + c);
        const double draw = deviation_of(log_variance) * noise.get(m, r, c);
        z.expect(m, r, c, mean + draw, 4.0 * eps * (std::abs(mean) + std::abs(draw)));
        const double d = dz.get(m, r, c), slope = d * slope_of(log_variance, noise.get(m, r, c));
        gradient.expect(m, r, c, d, 0.0);
        gradient.expect(m, r, k + c, slope, 6.0 * eps * std::abs(slope));
      }
  if (!shape.forward) z.expect_unchanged();
  if (!shape.backward) gradient.expect_unchanged();
  problem.same_bits_on_all_backends = true;
  problem.bytes = 4.0 * 7.0 * static_cast<double>(models * rows * k);
  problem.call = [&, shape](Call& call) {
    Reparameterise args;
    args.statistics = statistics.view(call.slice);
    args.noise = noise.view(call.slice);
    if (shape.forward) args.z = z.view(call.slice);
    if (shape.backward) {
      args.dz = dz.view(call.slice);
      args.dstatistics = gradient.view(call.slice);
    }
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "range", s.range, "forward",
                              s.forward, "backward", s.backward, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> reparameterise_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t columns : edge_sizes())
    add({.rows = 5, .columns = columns, .layout = static_cast<Layout>(columns % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 3, .rows = 37, .columns = 29, .range = 6.0, .layout = layout});
    add({.models = 3, .rows = 9, .columns = 5, .backward = false, .layout = layout});
    add({.models = 3, .rows = 9, .columns = 6, .forward = false, .layout = layout});
    add({.models = 2, .rows = 8, .columns = 33, .exact = true, .layout = layout});
  }
  add({.models = 3, .rows = 0, .columns = 5});
  add({.models = 3, .rows = 5, .columns = 0});
  add({.models = 1, .rows = 1024, .columns = 64, .perf = true});
  add({.rows = 65543, .columns = 2});
  return cases;
}

const bool registered = register_op("reparameterise", reparameterise_cases());

TEST(derivatives, reparameterise) {
  Random random(6);
  Matrix log_variance = random_matrix(random, 3, 4), noise = random_matrix(random, 3, 4), gradient(3, 4);
  log_variance.at(0, 0) = 11.0;
  log_variance.at(0, 1) = -11.0;
  for (std::size_t i = 0; i < gradient.data.size(); ++i)
    gradient.data[i] = slope_of(log_variance.data[i], noise.data[i]);
  const auto sum_of_draws = [&](const Matrix& x) {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.data.size(); ++i) sum += deviation_of(x.data[i]) * noise.data[i];
    return sum;
  };
  expect_derivative(sum_of_draws, log_variance, gradient);
}

}  // namespace
}  // namespace cugad::test
