#include <gtest/gtest.h>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, source_rows = 1, rows = 1, columns = 1;
  bool shared_source = false, shared_index = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  auto& source = problem.input("source", models, shape.source_rows, columns, shape.shared_source);
  source.fill([&] { return random.normal(); });
  auto& index = problem.input<std::int32_t>("index", models, rows, 1, shape.shared_index).by_item();
  index.fill([&] { return random.integer(0, shape.source_rows - 1); });
  if (rows > 1) {
    index.set(0, 0, 0, static_cast<std::int32_t>(shape.source_rows - 1));
    index.set(0, 1, 0, 0);
  }
  auto& out = problem.output("out", models, rows, columns).by_item();
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) out.expect(m, r, c, source.get(m, index.get(m, r, 0), c), 0.0);
  problem.same_bits_on_all_backends = true;
  problem.bytes = 8.0 * static_cast<double>(models * rows * columns);
  problem.call = [&](Call& call) {
    GatherRows args;
    args.source = source.view(call.slice);
    args.index = index.view(call.slice);
    args.out = out.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "source_rows", s.source_rows, "rows", s.rows, "columns", s.columns,
                 "shared_source", s.shared_source, "shared_index", s.shared_index, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = true;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> gather_rows_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const std::int64_t columns : {0, 1, 3, 15, 16, 17, 64, 121})
      add({.source_rows = 23, .rows = 50, .columns = columns, .layout = layout});
    for (const bool shared_source : {false, true})
      for (const bool shared_index : {false, true})
        add({.models = 3,
             .source_rows = 9,
             .rows = 31,
             .columns = 7,
             .shared_source = shared_source,
             .shared_index = shared_index,
             .layout = layout});
    add({.source_rows = 1, .rows = 7, .columns = 5, .layout = layout});
    add({.source_rows = 4, .rows = 0, .columns = 5, .layout = layout});
  }
  add({.source_rows = 65543, .rows = 65543, .columns = 2});
  // Enough work for a second thread.
  add({.source_rows = 101, .rows = 200003, .columns = 2});
  add({.source_rows = 4096, .rows = 4096, .columns = 121, .perf = true});
  return cases;
}

const bool registered = register_op("gather_rows", gather_rows_cases());

/// The CPU checks every index before anything is written; a GPU clamps.
TEST(contract, gather_rows_refuses_a_wrong_index) {
  for (const NamedDevice& named : devices()) {
    if (!named.device.backend().is_host_memory()) continue;
    for (const std::int32_t wrong : {-1, 5, 1 << 30}) {
      const float source[10] = {};
      const std::int32_t index[2] = {4, wrong};
      float out[4];
      GatherRows args;
      args.source = {source, 1, 5, 2};
      args.index = {index, 1, 2, 1};
      args.out = {out, 1, 2, 2};
      Context context = named.device.make_context();
      try {
        run(context, args);
        ADD_FAILURE() << named.name << " took index " << wrong << " of 5 rows";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
        EXPECT_NE(std::string(error.what()).find("gather_rows"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(std::to_string(wrong)), std::string::npos) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace cugad::test
