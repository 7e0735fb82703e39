#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  double target = 1.0, weight = 10.0;
  double range = 1.0;  ///< of the gradients
  double zeros = 0.0;  ///< share of rows that are zero
  bool loss = true;
  bool in_place = false;  ///< the tangent is the gradient buffer
  bool exact = false;     ///< one column of small integers; the number of rows must be a power of two
  bool perf = false;
  Layout layout = Layout::contiguous;
};

double norm_of(const Matrix& g, std::int64_t r) {
  double sum = 0.0;
  for (std::int64_t c = 0; c < g.columns; ++c) sum += g.at(r, c) * g.at(r, c);
  return std::sqrt(sum);
}

double loss_of(const Matrix& g, double target, double weight) {
  double sum = 0.0;
  for (std::int64_t r = 0; r < g.rows; ++r) sum += std::pow(norm_of(g, r) - target, 2);
  return weight * sum / static_cast<double>(g.rows);
}

Matrix tangent_of(const Matrix& g, double target, double weight) {
  Matrix tangent(g.rows, g.columns);
  for (std::int64_t r = 0; r < g.rows; ++r) {
    const double norm = norm_of(g, r);
    for (std::int64_t c = 0; c < g.columns; ++c) {
      if (norm == 0.0) continue;
      tangent.at(r, c) = 2.0 * weight / static_cast<double>(g.rows) * (norm - target) / norm * g.at(r, c);
    }
  }
  return tangent;
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  auto& gradient = shape.in_place ? problem.state("gradient", models, rows, columns)
                                  : problem.input("gradient", models, rows, columns);
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      const bool zero = random.chance(shape.zeros);
      for (std::int64_t c = 0; c < columns; ++c) {
        const double value = shape.exact ? static_cast<double>(random.integer(-4, 4)) : random.normal() * shape.range;
        gradient.set(m, r, c, zero ? 0.0f : static_cast<float>(value));
      }
    }
  auto& tangent = problem.output("tangent", models, rows, columns);
  auto& loss = problem.output("loss", models, 1, 1);
  const double target = static_cast<float>(shape.target), weight = static_cast<float>(shape.weight);
  const bool empty = rows * columns == 0;
  for (std::int64_t m = 0; m < models && !empty; ++m) {
    const Matrix g = matrix_of(gradient, m);
    const Matrix expected = tangent_of(g, target, weight);
    double scale = 0.0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const double norm = norm_of(g, r);
      scale += std::pow(norm + target, 2) / static_cast<double>(rows);
      // The error of the norm (double) matters if it cancels against the target.
      const double cancelled =
          norm == 0.0 ? 0.0 : 0x1p-50 * 2.0 * weight / static_cast<double>(rows) * (1.0 + target / norm);
      for (std::int64_t c = 0; c < columns; ++c) {
        const double value = expected.at(r, c), bound = 3.0 * eps * std::abs(value) + cancelled * std::abs(g.at(r, c));
        tangent.expect(m, r, c, value, bound);
        if (shape.in_place) gradient.expect(m, r, c, value, bound);
      }
    }
    const double value = loss_of(g, target, weight);
    loss.expect(m, 0, 0, value, 2.0 * eps * std::abs(value) + 0x1p-50 * std::abs(weight) * scale);
  }
  if (shape.in_place) tangent.expect_unchanged();
  if (!shape.loss || empty) loss.expect_unchanged();

  problem.same_bits_on_all_backends = true;  // the loss too: double sums differ far below a float's last bit
  problem.bytes = 8.0 * static_cast<double>(models * rows * columns);
  problem.call = [&, shape](Call& call) {
    GradientPenalty args;
    args.gradient = gradient.view(call.slice);
    args.target = static_cast<float>(shape.target);
    args.weight = static_cast<float>(shape.weight);
    args.tangent = shape.in_place ? gradient.view(call.slice) : tangent.view(call.slice);
    if (shape.loss) args.loss = loss.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "target", s.target, "weight",
                              s.weight, "range", s.range, "zeros", s.zeros, "loss", s.loss, "in_place", s.in_place,
                              "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> gradient_penalty_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const double target : {1.0, 0.0}) {
    for (const std::int64_t columns : edge_sizes())
      add({.rows = 5, .columns = columns, .target = target, .layout = static_cast<Layout>(columns % 3)});
    for (const std::int64_t rows : {1, 15, 16, 17, 63, 64, 65, 129})
      add({.models = 2, .rows = rows, .columns = 9, .target = target, .layout = static_cast<Layout>(rows % 3)});
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
      add({.models = 3,
           .rows = 70,
           .columns = 37,
           .target = target,
           .range = 0.16,  // norms around 1: they cancel against the target
           .zeros = 0.2,
           .in_place = true,
           .layout = layout});
      add({.models = 2, .rows = 64, .target = target, .weight = 4.0, .exact = true, .layout = layout});
    }
    add({.rows = 9, .columns = 5, .target = target, .loss = false});
    add({.rows = 9, .columns = 5, .target = target, .zeros = 1.0});
    add({.models = 3, .rows = 0, .columns = 5, .target = target});
    add({.models = 3, .rows = 5, .columns = 0, .target = target});
    add({.models = 0, .rows = 5, .columns = 5, .target = target});
    add({.rows = 1024, .columns = 121, .target = target, .perf = true});
  }
  return cases;
}

const bool registered = register_op("gradient_penalty", gradient_penalty_cases());

TEST(derivatives, gradient_penalty) {
  Random random(5);
  for (const double target : {1.0, 0.0, 2.5}) {
    const Matrix g = random_matrix(random, 5, 4);
    expect_derivative([&](const Matrix& x) { return loss_of(x, target, 10.0); }, g, tangent_of(g, target, 10.0));
  }
}

}  // namespace
}  // namespace cugad::test
