#include <gtest/gtest.h>

#include <limits>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  Distance metric = Distance::l1;
  double missing = 0.0;  ///< share of NaN cells in a
  bool shared_b = false;
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-4, 4)) : random.normal(); };
  auto& a = problem.input("a", models, rows, columns).by_item();
  a.fill([&] { return random.chance(shape.missing) ? std::numeric_limits<double>::quiet_NaN() : number(); });
  auto& b = problem.input("b", models, rows, columns, shape.shared_b).by_item().fill(number);
  auto& distance = problem.output("distance", models, rows, 1).by_item();
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      double sum = 0.0;
      for (std::int64_t c = 0; c < columns; ++c) {
        const double difference = static_cast<double>(a.get(m, r, c)) - b.get(m, r, c);
        if (std::isnan(difference)) continue;
        sum += shape.metric == Distance::l1 ? std::abs(difference) : difference * difference;
      }
      // No term is negative: the sum of |terms| is the result.
      const double value = shape.metric == Distance::l2 ? std::sqrt(sum) : sum;
      distance.expect(m, r, 0, shape.exact ? static_cast<float>(value) : value,
                      static_cast<double>(columns + 4) * eps * value);
    }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 8.0 * static_cast<double>(models * rows * columns);
  problem.call = [&, shape](Call& call) {
    RowDistance args;
    args.a = a.view(call.slice);
    args.b = b.view(call.slice);
    args.metric = shape.metric;
    args.distance = distance.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "metric", name_of(s.metric),
                              "missing", s.missing, "shared_b", s.shared_b, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> row_distance_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const Distance metric : {Distance::l1, Distance::l2, Distance::squared}) {
    for (const std::int64_t columns : {1, 2, 7, 15, 16, 17, 31, 33, 63, 64, 65, 121, 257}) {
      add({.rows = 5, .columns = columns, .metric = metric, .layout = static_cast<Layout>(columns % 3)});
      add({.rows = 7, .columns = columns, .metric = metric, .exact = true, .layout = Layout::strided});
    }
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned})
      add({.models = 3,
           .rows = 11,
           .columns = 37,
           .metric = metric,
           .missing = 0.3,
           .shared_b = true,
           .layout = layout});
    add({.rows = 4, .columns = 19, .metric = metric, .missing = 1.0});
    add({.rows = 4, .columns = 0, .metric = metric});
    add({.rows = 0, .columns = 5, .metric = metric});
    add({.rows = 50, .columns = 121, .metric = metric, .perf = true});
    add({.rows = 65543, .columns = 3, .metric = metric});
  }
  return cases;
}

const bool registered = register_op("row_distance", row_distance_cases());

}  // namespace
}  // namespace cugad::test
