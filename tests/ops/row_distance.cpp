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
  bool column_scale = false;
  double limit = 0.0;
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
  auto& scale = problem.input("column_scale", models, 1, columns);
  scale.fill([&] { return shape.exact ? static_cast<double>(random.integer(0, 3)) : std::abs(random.normal()); });
  const double limit = shape.limit > 0.0 ? static_cast<float>(shape.limit) : infinity;
  auto& distance = problem.output("distance", models, rows, 1).by_item();
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      double sum = 0.0;
      for (std::int64_t c = 0; c < columns; ++c) {
        const double difference = std::abs(static_cast<double>(a.get(m, r, c)) - b.get(m, r, c));
        if (std::isnan(difference)) continue;
        const double term = std::min(difference * (shape.column_scale ? scale.get(m, 0, c) : 1.0f), limit);
        sum += shape.metric == Distance::l1 ? term : term * term;
      }
      // No term is negative: the sum of |terms| is the result.
      const double value = shape.metric == Distance::l2 ? std::sqrt(sum) : sum;
      distance.expect(m, r, 0, shape.exact ? static_cast<float>(value) : value,
                      static_cast<double>(columns + (shape.column_scale ? 8 : 4)) * eps * value);
    }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 8.0 * static_cast<double>(models * rows * columns);
  problem.call = [&, shape](Call& call) {
    RowDistance args;
    args.a = a.view(call.slice);
    args.b = b.view(call.slice);
    args.metric = shape.metric;
    args.distance = distance.view(call.slice);
    if (shape.column_scale) args.column_scale = scale.view(call.slice);
    args.limit = static_cast<float>(shape.limit);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "metric", name_of(s.metric),
                              "missing", s.missing, "shared_b", s.shared_b, "column_scale", s.column_scale, "limit",
                              s.limit, "layout", name_of(s.layout));
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
    for (const std::int64_t columns : {1, 7, 16, 17, 37, 65, 121, 145}) {
      const auto layout = static_cast<Layout>(columns % 3);
      add({.rows = 5, .columns = columns, .metric = metric, .column_scale = true, .layout = layout});
      add({.rows = 5, .columns = columns, .metric = metric, .missing = 0.3, .limit = 0.8, .layout = layout});
      add({.models = 3,
           .rows = 18,
           .columns = columns,
           .metric = metric,
           .missing = 0.3,
           .column_scale = true,
           .limit = 1.5,
           .layout = layout});
      add({.models = 2,
           .rows = 7,
           .columns = columns,
           .metric = metric,
           .column_scale = true,
           .limit = 5.0,
           .exact = true,
           .layout = layout});
    }
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
