#include <limits>

#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  bool shared_x = false, in_place = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  const auto cell = [&] {
    return random.chance(0.3)   ? std::numeric_limits<double>::quiet_NaN()
           : random.chance(0.1) ? infinity
                                : random.normal();
  };
  auto& x = problem.input("x", models, rows, columns, shape.shared_x).by_item().fill(cell);
  auto& replacement = problem.input("replacement", models, rows, columns).by_item();
  replacement.fill([&] { return random.normal(); });
  auto& out =
      shape.in_place ? problem.state("out", models, rows, columns) : problem.output("out", models, rows, columns);
  out.by_item();
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        if (shape.in_place) out.set(m, r, c, replacement.get(m, r, c));
        const float value = x.get(m, r, c);
        out.expect(m, r, c, std::isnan(value) ? replacement.get(m, r, c) : value, 0.0);
      }
  problem.same_bits_on_all_backends = true;
  problem.call = [&, in_place = shape.in_place](Call& call) {
    FillMissing args;
    args.x = x.view(call.slice);
    args.out = out.view(call.slice);
    args.replacement =
        in_place ? StackView<const float>(args.out) : StackView<const float>(replacement.view(call.slice));
    call(args);
  };
}

std::vector<Case> fill_missing_cases() {
  std::vector<Case> cases;
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const Shape& shape :
         {Shape{.rows = 7, .columns = 5}, Shape{.models = 3, .rows = 33, .columns = 17, .shared_x = true},
          Shape{.models = 2, .rows = 9, .columns = 4, .in_place = true}, Shape{.rows = 0, .columns = 3},
          Shape{.rows = 300, .columns = 121}}) {
      Case one;
      one.parameters = parameters("models", shape.models, "rows", shape.rows, "columns", shape.columns, "shared_x",
                                  shape.shared_x, "in_place", shape.in_place, "layout", name_of(layout));
      one.layout = layout;
      one.exact = true;
      one.build = [shape](Problem& problem) { build(problem, shape); };
      cases.push_back(one);
    }
  }
  return cases;
}

const bool registered = register_op("fill_missing", fill_missing_cases());

}  // namespace
}  // namespace cugad::test
