#include <limits>

#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  std::int32_t pool = 4096, draws = 1;
  bool shared_x = false;
  Layout layout = Layout::contiguous;
};

/// Written from the contract: FNV-1a, 64 bits wide.
std::uint64_t row_hash(const TypedTensor<float>& x, std::int64_t m, std::int64_t r) {
  std::uint64_t hash = 1469598103934665603ull;
  for (std::int64_t c = 0; c < x.columns; ++c) {
    float value = x.get(m, r, c);
    if (std::isnan(value)) value = std::numeric_limits<float>::quiet_NaN();
    if (value == 0.0f) value = 0.0f;
    std::uint32_t word = 0;
    std::memcpy(&word, &value, sizeof word);
    hash = (hash ^ word) * 1099511628211ull;
  }
  return hash;
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto cell = [&] {
    if (random.chance(0.1)) return -std::numeric_limits<double>::quiet_NaN();
    return random.chance(0.2) ? -0.0 : random.normal();
  };
  auto& x = problem.input("x", shape.models, shape.rows, shape.columns, shape.shared_x).by_item().fill(cell);
  auto& index = problem.output<std::int32_t>("index", shape.models, shape.rows * shape.draws, 1).by_item(shape.draws);
  for (std::int64_t m = 0; m < shape.models; ++m)
    for (std::int64_t r = 0; r < shape.rows; ++r)
      for (std::int64_t k = 0; k < shape.draws; ++k) {
        const std::uint64_t hash = row_hash(x, m, r);
        const std::uint64_t sum = ((hash ^ (hash >> 32)) + 2654435761u * static_cast<std::uint64_t>(k)) & 0xffffffffu;
        index.expect(m, r * shape.draws + k, 0, static_cast<double>(sum % static_cast<std::uint64_t>(shape.pool)), 0.0);
      }
  problem.same_bits_on_all_backends = true;
  problem.call = [&, pool = shape.pool, draws = shape.draws](Call& call) {
    ContentIndex args;
    args.x = x.view(call.slice);
    args.index = index.view(call.slice);
    args.pool = pool;
    args.draws = draws;
    call(args);
  };
}

std::vector<Case> content_index_cases() {
  std::vector<Case> cases;
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const Shape& shape : {Shape{.rows = 7, .columns = 5}, Shape{.models = 3, .rows = 33, .columns = 17, .pool = 1},
                               Shape{.models = 2, .rows = 9, .columns = 4, .pool = 13, .draws = 3, .shared_x = true},
                               Shape{.rows = 0, .columns = 3}, Shape{.rows = 5, .columns = 0, .draws = 6},
                               Shape{.models = 2, .rows = 9, .columns = 8, .pool = 13, .draws = 11},
                               Shape{.rows = 300, .columns = 121, .draws = 2}}) {
      Case one;
      one.parameters =
          parameters("models", shape.models, "rows", shape.rows, "columns", shape.columns, "pool", shape.pool, "draws",
                     shape.draws, "shared_x", shape.shared_x, "layout", name_of(layout));
      one.layout = layout;
      one.exact = true;
      one.build = [shape](Problem& problem) { build(problem, shape); };
      cases.push_back(one);
    }
  }
  return cases;
}

const bool registered = register_op("content_index", content_index_cases());

}  // namespace
}  // namespace cugad::test
