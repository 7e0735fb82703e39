#include <limits>

#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, sources = 1;
  bool shared = false;  ///< x and the tables but `expected` are those of all models
  bool residual = true;
  Layout layout = Layout::contiguous;
};

/// Source s is a number, a single number or a category of s % 4 + 1 columns, in turn.
std::int64_t columns_of(std::int64_t source) { return source % 3 == 2 ? source % 4 + 1 : 1; }

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const double none = std::numeric_limits<double>::quiet_NaN();
  std::int64_t columns = 2;  // of which the last belongs to no source
  for (std::int64_t s = 0; s < shape.sources; ++s) columns += columns_of(s);
  auto& x = problem.input("x", shape.models, shape.rows, columns, shape.shared).by_item();
  auto& source = problem.input<std::int32_t>("source", shape.models, shape.sources, 3, true);
  auto& constant = problem.input("constant", shape.models, shape.sources, 1, shape.shared).fill([&] {
    return random.chance(0.3) ? 0.0 : random.normal();
  });
  auto& weight = problem.input("weight", shape.models, shape.sources, 2, shape.shared).fill([&] {
    return random.uniform(0.0, 5.0);
  });
  auto& expected =
      problem.input("expected", shape.models, shape.sources, 2).fill([&] { return random.uniform(0.0, 2.0); });
  auto& surprise = problem.output("surprise", shape.models, shape.rows, 1).by_item();
  auto& residual = problem.output("residual", shape.models, shape.residual ? shape.rows : 0, 1).by_item();
  const std::int64_t kinds_of_x = shape.shared ? 1 : shape.models;
  for (std::int64_t s = 0, c = 1; s < shape.sources; c += columns_of(s++)) {
    source.set(0, s, 0, static_cast<std::int32_t>(c));
    source.set(0, s, 1, static_cast<std::int32_t>(columns_of(s)));
    source.set(0, s, 2, static_cast<std::int32_t>(s % 3));
  }
  for (std::int64_t m = 0; m < shape.models; ++m) {
    for (std::int64_t r = 0; r < shape.rows; ++r) {
      double sum = 0, absent = 0;
      bool any = false;
      const bool is_empty = r % 11 == 5, is_full = r % 3 == 1 && !is_empty;
      for (const std::int64_t c : {std::int64_t{0}, columns - 1}) {  // of no source
        if (m < kinds_of_x) x.set(m, r, c, is_full ? 1.0f : static_cast<float>(none));
      }
      for (std::int64_t s = 0, c = 1; s < shape.sources; c += columns_of(s++)) {
        const std::int64_t width = columns_of(s);
        if (m < kinds_of_x) {
          std::int64_t state = is_empty ? 1 : random.integer(0, 2);  // usual, missing, unseen
          if (is_full && state == 1) state = 2;
          for (std::int64_t i = 0; i < width; ++i) {
            double cell = s % 3 == 2 ? 0.0 : random.normal();
            if (state == 0 && s % 3 == 1)
              cell = constant.get(m, s, 0) == 0.0f && random.chance(0.5) ? -0.0
                                                                         : static_cast<double>(constant.get(m, s, 0));
            if (state == 0 && s % 3 == 2) cell = i == r % width ? 1.0 : 0.0;
            if (state == 1 && (i == width - 1 || random.chance(0.5))) cell = none;
            x.set(m, r, c + i, static_cast<float>(cell));
          }
        }
        bool is_missing = false, is_unseen = s % 3 == 2;
        for (std::int64_t i = 0; i < width; ++i) {
          const float cell = x.get(m, r, c + i);
          is_missing = is_missing || std::isnan(cell);
          if (s % 3 == 2 && cell != 0.0f) is_unseen = false;
          if (s % 3 == 1) is_unseen = cell != constant.get(m, s, 0);
        }
        any = any || !is_missing;
        if (!is_missing && !is_unseen) continue;
        sum += static_cast<double>(weight.get(m, s, is_missing ? 0 : 1));
        absent += static_cast<double>(expected.get(m, s, is_missing ? 0 : 1));
      }
      surprise.expect(m, r, 0, any ? sum : none, eps * sum);
      if (shape.residual) residual.expect(m, r, 0, absent, eps * absent);
    }
  }
  problem.same_bits_on_all_backends = true;
  problem.call = [&, shape](Call& call) {
    CellSurprise args;
    args.x = x.view(call.slice);
    args.source = source.view(call.slice);
    args.constant = constant.view(call.slice);
    args.weight = weight.view(call.slice);
    args.expected = expected.view(call.slice);
    args.surprise = surprise.view(call.slice);
    if (shape.residual) args.residual = residual.view(call.slice);
    call(args);
  };
}

std::vector<Case> cell_surprise_cases() {
  std::vector<Case> cases;
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const Shape& shape :
         {Shape{.rows = 12, .sources = 1}, Shape{.rows = 40, .sources = 9},
          Shape{.models = 3, .rows = 33, .sources = 17}, Shape{.models = 2, .rows = 20, .sources = 6, .shared = true},
          Shape{.rows = 20, .sources = 5, .residual = false}, Shape{.rows = 0, .sources = 3},
          Shape{.rows = 300, .sources = 60}}) {
      Case one;
      one.parameters = parameters("models", shape.models, "rows", shape.rows, "sources", shape.sources, "shared",
                                  shape.shared, "residual", shape.residual, "layout", name_of(layout));
      one.layout = layout;
      one.build = [shape](Problem& problem) { build(problem, shape); };
      cases.push_back(one);
    }
  }
  return cases;
}

const bool registered = register_op("cell_surprise", cell_surprise_cases());

}  // namespace
}  // namespace cugad::test
