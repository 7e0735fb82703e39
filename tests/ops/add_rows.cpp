#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  double scale = 1.0;
  bool shared_x = false;
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-9, 9)) : random.normal(); };
  auto& x = problem.input("x", models, rows, columns, shape.shared_x).by_item().fill(number);
  auto& y = problem.state("y", models, rows, columns).by_item().fill(number);
  const double scale = static_cast<float>(shape.scale);
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        const double value = y.get(m, r, c) + scale * x.get(m, r, c);
        y.expect(m, r, c, value, eps * std::abs(value));
      }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 12.0 * static_cast<double>(models * rows * columns);
  problem.call = [&, shape](Call& call) {
    AddRows args;
    args.x = x.view(call.slice);
    args.scale = static_cast<float>(shape.scale);
    args.y = y.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "scale", s.scale, "shared_x",
                              s.shared_x, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> add_rows_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t columns : edge_sizes()) {
    add({.rows = 5, .columns = columns, .scale = 0.3, .layout = static_cast<Layout>(columns % 3)});
    add({.rows = 7, .columns = columns, .scale = -2.0, .exact = true, .layout = Layout::strided});
  }
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned})
    add({.models = 3, .rows = 37, .columns = 29, .scale = -0.7, .shared_x = true, .layout = layout});
  add({.models = 3, .rows = 0, .columns = 5});
  add({.models = 3, .rows = 5, .columns = 0});
  add({.models = 0, .rows = 5, .columns = 5});
  add({.models = 8, .rows = 1024, .columns = 121, .perf = true});
  add({.rows = 65543, .columns = 1, .scale = 1e-3});
  return cases;
}

const bool registered = register_op("add_rows", add_rows_cases());

}  // namespace
}  // namespace cugad::test
