#include <gtest/gtest.h>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, generated = 1, real = 1, columns = 1;
  double weight = 1.0;
  bool shared_real = false;
  bool loss = true;
  bool exact = false;  ///< small integers, many ties
  bool perf = false;
  Layout layout = Layout::contiguous;
};

struct Chosen {
  std::int64_t row = 0;
  double distance = 0.0, gap = infinity;  ///< to the second nearest
};

template <class Generated, class Real>
Chosen choose(const Generated& generated, const Real& real, std::int64_t rows, std::int64_t columns) {
  Chosen best{0, infinity, infinity};
  double second = infinity;
  for (std::int64_t j = 0; j < rows; ++j) {
    double distance = 0.0;
    for (std::int64_t c = 0; c < columns; ++c) distance += std::pow(real(c) - generated(j, c), 2);
    if (distance < best.distance) {
      second = best.distance;
      best = {j, distance, 0.0};
    } else {
      second = std::min(second, distance);
    }
  }
  best.gap = second - best.distance;
  return best;
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, g, n, columns] = std::array{shape.models, shape.generated, shape.real, shape.columns};
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-2, 2)) : random.normal(); };
  auto& generated = problem.input("generated", models, g, columns).fill(number);
  auto& real = problem.input("real", models, n, columns, shape.shared_real).fill(number);
  auto& gradient = problem.state("dgenerated", models, g, columns).fill(number);
  auto& loss = problem.output("loss", models, 1, 1);
  const double weight = static_cast<float>(shape.weight), cells = static_cast<double>(n * columns);

  std::vector<double> sum(static_cast<std::size_t>(g * columns)), terms(sum.size());
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t j = 0; j < g; ++j)
      for (std::int64_t c = 0; c < columns; ++c) {
        sum[static_cast<std::size_t>(j * columns + c)] = gradient.get(m, j, c);
        terms[static_cast<std::size_t>(j * columns + c)] = std::abs(gradient.get(m, j, c));
      }
    double squares = 0.0;
    for (std::int64_t r = 0; r < n; ++r) {
      const auto nearest = [&] {
        return choose([&](std::int64_t j, std::int64_t c) { return static_cast<double>(generated.get(m, j, c)); },
                      [&](std::int64_t c) { return static_cast<double>(real.get(m, r, c)); }, g, columns);
      };
      Chosen chosen = nearest();
      // The bound holds given the chosen row: a row between two generated rows is moved until rounding cannot decide.
      while (!shape.exact && !shape.shared_real && chosen.gap < 1e-5 * chosen.distance) {
        for (std::int64_t c = 0; c < columns; ++c) real.set(m, r, c, static_cast<float>(number()));
        chosen = nearest();
      }
      squares += chosen.distance;
      for (std::int64_t c = 0; c < columns; ++c) {
        const auto at = static_cast<std::size_t>(chosen.row * columns + c);
        const double term =
            2.0 * weight * (static_cast<double>(generated.get(m, chosen.row, c)) - real.get(m, r, c)) / cells;
        sum[at] += term;
        terms[at] += std::abs(term);
      }
    }
    for (std::int64_t j = 0; j < g; ++j)
      for (std::int64_t c = 0; c < columns; ++c) {
        const auto at = static_cast<std::size_t>(j * columns + c);
        gradient.expect(m, j, c, sum[at], static_cast<double>(n + 4) * eps * terms[at]);
      }
    const double value = weight * squares / cells;
    loss.expect(m, 0, 0, value, static_cast<double>(n + 4) * eps * std::abs(value));
  }
  if (!shape.loss) loss.expect_unchanged();
  problem.flops = 3.0 * static_cast<double>(models * g * n * columns);
  problem.call = [&, shape](Call& call) {
    Coverage args;
    args.generated = generated.view(call.slice);
    args.real = real.view(call.slice);
    args.weight = static_cast<float>(shape.weight);
    args.dgenerated = gradient.view(call.slice);
    if (shape.loss) args.loss = loss.view(call.slice);
    call(args);
  };
}

std::vector<Case> coverage_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters =
        parameters("models", s.models, "generated", s.generated, "real", s.real, "columns", s.columns, "weight",
                   s.weight, "shared_real", s.shared_real, "loss", s.loss, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.exact = s.exact;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  for (const std::int64_t generated : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 131}) {
    const auto layout = static_cast<Layout>(generated % 3);
    add({.generated = generated, .real = 13, .columns = 11, .weight = 0.7, .layout = layout});
    // Cells are a power of two, so that every term is exact.
    add({.models = 2, .generated = generated, .real = 8, .columns = 4, .weight = 4.0, .exact = true, .layout = layout});
  }
  for (const std::int64_t real : {1, 3, 4, 5, 50})
    for (const std::int64_t columns : {1, 15, 16, 17, 33, 121})
      add({.generated = 50, .real = real, .columns = columns, .layout = static_cast<Layout>(columns % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 3, .generated = 20, .real = 17, .columns = 9, .weight = 0.3, .loss = false, .layout = layout});
    add({.models = 3, .generated = 20, .real = 16, .columns = 2, .shared_real = true, .exact = true, .layout = layout});
  }
  add({.generated = 50, .real = 50, .columns = 121, .perf = true});
  add({.generated = 70, .real = 65543, .columns = 1, .weight = 0.5});
  add({.generated = 65543, .real = 3, .columns = 2});
  return cases;
}

const bool registered = register_op("coverage", coverage_cases());

TEST(grad, coverage) {
  Random random(hash("grad coverage"));
  const std::int64_t g = 5, n = 7, columns = 3;
  std::vector<double> generated(static_cast<std::size_t>(g * columns)), real(static_cast<std::size_t>(n * columns));
  for (double& value : generated) value = random.normal();
  for (double& value : real) value = random.normal();
  const auto chosen_for = [&](std::size_t r) {
    return choose([&](std::int64_t j, std::int64_t c) { return generated[static_cast<std::size_t>(j * columns + c)]; },
                  [&](std::int64_t c) { return real[r * columns + static_cast<std::size_t>(c)]; }, g, columns);
  };
  const auto loss = [&] {
    double sum = 0.0;
    for (std::size_t r = 0; r < n; ++r) sum += chosen_for(r).distance;
    return 0.7 * sum / static_cast<double>(n * columns);
  };
  std::vector<double> gradient(generated.size(), 0.0);
  for (std::size_t r = 0; r < n; ++r) {
    const Chosen chosen = chosen_for(r);
    ASSERT_GT(chosen.gap, 1e-3) << "a real row lies between two generated ones";
    for (std::size_t c = 0; c < columns; ++c) {
      const std::size_t at = static_cast<std::size_t>(chosen.row * columns) + c;
      gradient[at] += 2.0 * 0.7 * (generated[at] - real[r * columns + c]) / static_cast<double>(n * columns);
    }
  }
  for (std::size_t i = 0; i < generated.size(); ++i) {
    const double h = 1e-5, kept = generated[i];
    generated[i] = kept + h;
    const double above = loss();
    generated[i] = kept - h;
    const double below = loss();
    generated[i] = kept;
    EXPECT_NEAR(gradient[i], (above - below) / (2.0 * h), 1e-9) << "element " << i;
  }
}

}  // namespace
}  // namespace cugad::test
