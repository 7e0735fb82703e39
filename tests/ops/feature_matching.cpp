#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, real = 1, generated = 1, columns = 1;
  double weight = 1.0;
  double offset = 0.0;  ///< added to both: the means cancel
  bool loss = true, shared_real = false;
  bool exact = false;  ///< small integers; the numbers of rows must be powers of two
  bool perf = false;
  Layout layout = Layout::contiguous;
};

std::vector<double> means(const Matrix& x) {
  std::vector<double> mean(static_cast<std::size_t>(x.columns));
  for (std::int64_t r = 0; r < x.rows; ++r)
    for (std::int64_t c = 0; c < x.columns; ++c)
      mean[static_cast<std::size_t>(c)] += x.at(r, c) / static_cast<double>(x.rows);
  return mean;
}

double loss_of(const Matrix& real, const Matrix& generated, double weight) {
  const std::vector<double> a = means(real), b = means(generated);
  double sum = 0.0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return weight * sum;
}

Matrix gradient_of(const Matrix& real, const Matrix& generated, double weight) {
  const std::vector<double> a = means(real), b = means(generated);
  Matrix gradient(generated.rows, generated.columns);
  for (std::int64_t r = 0; r < generated.rows; ++r)
    for (std::int64_t c = 0; c < generated.columns; ++c) {
      const auto i = static_cast<std::size_t>(c);
      gradient.at(r, c) = -2.0 * weight / static_cast<double>(generated.rows) * (a[i] - b[i]);
    }
  return gradient;
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, n, g, columns] = std::array{shape.models, shape.real, shape.generated, shape.columns};
  const auto number = [&] {
    return shape.exact ? static_cast<double>(random.integer(-4, 4)) : random.normal() + shape.offset;
  };
  auto& real = problem.input("real", models, n, columns, shape.shared_real).fill(number);
  auto& generated = problem.input("generated", models, g, columns).fill(number);
  auto& gradient = problem.output("dgenerated", models, g, columns);
  auto& loss = problem.output("loss", models, 1, 1);
  const double weight = static_cast<float>(shape.weight);
  for (std::int64_t m = 0; m < models && columns > 0; ++m) {
    const Matrix x = matrix_of(real, m), y = matrix_of(generated, m);
    const Matrix expected = gradient_of(x, y, weight);
    const double sums = 0x1p-53 * static_cast<double>(n + g + 8);  // of a mean, relative to the sizes of its terms
    const std::vector<double> real_mean = means(x), generated_mean = means(y);
    double loss_bound = 0.0;
    for (std::int64_t c = 0; c < columns; ++c) {
      const auto i = static_cast<std::size_t>(c);
      double terms = 0.0;
      for (std::int64_t r = 0; r < n; ++r) terms += std::abs(x.at(r, c)) / static_cast<double>(n);
      for (std::int64_t r = 0; r < g; ++r) terms += std::abs(y.at(r, c)) / static_cast<double>(g);
      for (std::int64_t r = 0; r < g; ++r) {
        const double value = expected.at(r, c);
        gradient.expect(m, r, c, value,
                        2.0 * eps * std::abs(value) + sums * 2.0 * std::abs(weight) / static_cast<double>(g) * terms);
      }
      loss_bound += 2.0 * std::abs(weight * (real_mean[i] - generated_mean[i])) * sums * terms;
    }
    const double value = loss_of(x, y, weight);
    loss.expect(m, 0, 0, value, 2.0 * eps * std::abs(value) + loss_bound);
  }
  if (!shape.loss || columns == 0) loss.expect_unchanged();

  problem.same_bits_on_all_backends = true;  // the loss too: double sums differ far below a float's last bit
  problem.bytes = 4.0 * static_cast<double>(models * (n + 2 * g) * columns);
  problem.call = [&, shape](Call& call) {
    FeatureMatching args;
    args.real = real.view(call.slice);
    args.generated = generated.view(call.slice);
    args.weight = static_cast<float>(shape.weight);
    args.dgenerated = gradient.view(call.slice);
    if (shape.loss) args.loss = loss.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "real", s.real, "generated", s.generated, "columns", s.columns, "weight", s.weight,
                 "offset", s.offset, "loss", s.loss, "shared_real", s.shared_real, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> feature_matching_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t columns : edge_sizes())
    add({.real = 5, .generated = 9, .columns = columns, .layout = static_cast<Layout>(columns % 3)});
  for (const std::int64_t rows : edge_sizes())
    add({.models = 2, .real = rows, .generated = 130 - rows, .columns = 11, .layout = static_cast<Layout>(rows % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 3,
         .real = 50,
         .generated = 37,
         .columns = 70,
         .weight = 0.3,
         .offset = 100.0,
         .shared_real = true,
         .layout = layout});
    add({.models = 3, .real = 16, .generated = 32, .columns = 65, .exact = true, .layout = layout});
  }
  add({.real = 3, .generated = 4, .columns = 40, .loss = false});
  add({.models = 3, .real = 3, .generated = 4, .columns = 0});
  add({.models = 0, .real = 3, .generated = 4, .columns = 5});
  add({.real = 1024, .generated = 1024, .columns = 256, .perf = true});
  return cases;
}

const bool registered = register_op("feature_matching", feature_matching_cases());

TEST(derivatives, feature_matching) {
  Random random(4);
  const Matrix real = random_matrix(random, 5, 4), generated = random_matrix(random, 7, 4);
  expect_derivative([&](const Matrix& x) { return loss_of(real, x, 1.3); }, generated,
                    gradient_of(real, generated, 1.3));
}

}  // namespace
}  // namespace cugad::test
