#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  std::int64_t counter = -1;  ///< step counter in device memory; negative: none
  bool shared_a = false;
  bool in_place = false;  ///< out is b
  bool equal = false;     ///< a equals b: so does out, to the bit
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  const auto number = [&] { return random.normal(); };
  auto& a = problem.input("a", models, rows, columns, shape.shared_a).fill(number);
  auto& b = (shape.in_place ? problem.state("b", models, rows, columns) : problem.input("b", models, rows, columns));
  b.fill(number);
  auto& out = problem.output("out", models, rows, columns);
  auto& counter = problem.input<std::uint32_t>("step_counter", models, 1, 1, true);
  counter.set(0, 0, 0, static_cast<std::uint32_t>(std::max<std::int64_t>(shape.counter, 0)));
  const RandomKey key{random.next(), RandomPurpose::sample, 3, 1234, nullptr, 5};
  RandomKey counted = key;  // as the reference sees it
  counted.step += 5 * static_cast<std::uint32_t>(std::max<std::int64_t>(shape.counter, 0));
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      const double u = static_cast<double>(random_word(counted, m, static_cast<std::uint64_t>(r)) >> 8) * 0x1p-24;
      for (std::int64_t c = 0; c < columns; ++c) {
        if (shape.equal) b.set(m, r, c, a.get(m, r, c));
        const double x = a.get(m, r, c), y = b.get(m, r, c), value = u * x + (1.0 - u) * y;
        const double bound = shape.equal ? 0.0 : eps * (std::abs(x - y) + std::abs(value));
        out.expect(m, r, c, shape.equal ? x : value, bound);
        if (shape.in_place) b.expect(m, r, c, value, bound);
      }
    }
  if (shape.in_place) out.expect_unchanged();
  problem.same_bits_on_all_backends = true;
  problem.bytes = 12.0 * static_cast<double>(models * rows * columns);
  problem.call = [&, shape, key](Call& call) {
    InterpolateRows args;
    args.a = a.view(call.slice);
    args.b = b.view(call.slice);
    args.key = key;
    args.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
    if (shape.counter >= 0) args.key.step_counter = counter.view().data;
    args.out = shape.in_place ? b.view(call.slice) : out.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "columns", s.columns, "counter", s.counter, "shared_a", s.shared_a,
                 "in_place", s.in_place, "equal", s.equal, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> interpolate_rows_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t columns : edge_sizes())
    add({.rows = 5, .columns = columns, .layout = static_cast<Layout>(columns % 3)});
  for (const std::int64_t rows : edge_sizes())
    add({.models = 2, .rows = rows, .columns = 3, .layout = static_cast<Layout>(rows % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 3, .rows = 37, .columns = 29, .counter = 77, .shared_a = true, .layout = layout});
    add({.models = 3, .rows = 130, .columns = 5, .in_place = true, .layout = layout});
    add({.rows = 33, .columns = 7, .equal = true, .layout = layout});
  }
  add({.models = 3, .rows = 0, .columns = 5});
  add({.models = 3, .rows = 5, .columns = 0});
  add({.models = 1, .rows = 1024, .columns = 121, .perf = true});
  add({.rows = 65543, .columns = 1});
  return cases;
}

const bool registered = register_op("interpolate_rows", interpolate_rows_cases());

}  // namespace
}  // namespace cugad::test
