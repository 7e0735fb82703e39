#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  std::int64_t conditions = 0;
  bool pattern = false, groups = false;
  double lowest = 0.05, highest = 0.6;
  std::int64_t counter = -1;  ///< step counter in device memory; negative: none
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// The contract's draw of one row.
std::vector<bool> drawn_mask(const RandomKey& key, std::int64_t model, std::int64_t row, const Shape& shape,
                             const std::vector<std::int32_t>& group) {
  const std::int64_t columns = shape.columns, blocks = 1 + (columns + 3) / 4;
  const auto word = [&](std::int64_t index) {
    return random_word(key, model, static_cast<std::uint64_t>(4 * row * blocks + index));
  };
  const auto uniform = [&](std::int64_t index) { return static_cast<double>(word(index) >> 8) * 0x1p-24; };
  const float lowest = static_cast<float>(shape.lowest), highest = static_cast<float>(shape.highest);
  const double share = static_cast<float>(double{lowest} + double{highest - lowest} * uniform(0));
  const auto chosen = static_cast<std::int64_t>(static_cast<double>(word(1)) * static_cast<double>(columns) * 0x1p-32);
  std::vector<bool> mask;
  for (std::int64_t c = 0; c < columns; ++c) {
    mask.push_back(uniform(4 + group[c]) < share || group[c] == group[chosen]);
  }
  return mask;
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  const std::int64_t width = columns + shape.conditions;
  auto& x = problem.input("x", models, rows, width);
  x.fill([&] { return random.chance(0.1) ? std::nan("") : random.normal(); });
  auto& pattern = problem.input("pattern", models, 1, columns).fill([&] { return random.chance(0.4) ? 2.0 : 0.0; });
  auto& group = problem.input<std::int32_t>("group", models, 1, columns, true);
  std::vector<std::int32_t> groups;
  for (std::int64_t c = 0; c < columns; ++c) {
    groups.push_back(static_cast<std::int32_t>(shape.groups && c % 3 != 0 ? c - c % 3 : c));
    group.set(0, 0, c, groups.back());
  }
  auto& counter = problem.input<std::uint32_t>("step_counter", models, 1, 1, true);
  counter.set(0, 0, 0, static_cast<std::uint32_t>(std::max<std::int64_t>(shape.counter, 0)));
  auto& out = problem.output("out", models, rows, width + columns);
  if (shape.pattern) x.by_item(), out.by_item();
  const RandomKey key{random.next(), RandomPurpose::latent, 3, 1234, nullptr, 5};
  RandomKey counted = key;
  counted.step += 5 * static_cast<std::uint32_t>(std::max<std::int64_t>(shape.counter, 0));
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      std::vector<bool> mask(static_cast<std::size_t>(width), false);
      if (!shape.pattern && columns > 0) mask = drawn_mask(counted, m, r, shape, groups);
      mask.resize(static_cast<std::size_t>(width), false);
      for (std::int64_t c = 0; c < width; ++c) {
        if (shape.pattern && c < columns) mask[c] = pattern.get(m, 0, c) != 0.0f;
        const float value = x.get(m, r, c);
        const bool is_hidden = mask[c] || std::isnan(value);
        out.expect(m, r, c, is_hidden ? 0.0 : static_cast<double>(value), 0.0);
        if (c < columns) out.expect(m, r, width + c, is_hidden ? 1.0 : 0.0, 0.0);
      }
    }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 4.0 * static_cast<double>(models * rows * (2 * width + columns));
  problem.call = [&, shape, key](Call& call) {
    MaskColumns args;
    args.x = x.view(call.slice);
    if (shape.pattern) args.pattern = pattern.view(call.slice);
    if (shape.groups) args.group = group.view(call.slice);
    args.key = key;
    args.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
    if (shape.counter >= 0) args.key.step_counter = counter.view().data;
    args.lowest = static_cast<float>(shape.lowest);
    args.highest = static_cast<float>(shape.highest);
    args.out = out.view(call.slice);
    call(args);
  };
}

std::vector<Case> mask_columns_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "conditions", s.conditions,
                                "pattern", s.pattern, "groups", s.groups, "lowest", s.lowest, "highest", s.highest,
                                "counter", s.counter, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.exact = true;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  for (const std::int64_t columns : edge_sizes())
    add({.rows = 5, .columns = columns, .layout = static_cast<Layout>(columns % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 3, .rows = 37, .columns = 29, .conditions = 4, .counter = 77, .layout = layout});
    add({.models = 3, .rows = 37, .columns = 29, .conditions = 4, .pattern = true, .layout = layout});
    add({.models = 2, .rows = 21, .columns = 140, .groups = true, .layout = layout});
    add({.rows = 9, .columns = 33, .lowest = 0.0, .highest = 0.0, .layout = layout});
    add({.rows = 9, .columns = 33, .lowest = 1.0, .highest = 1.0, .layout = layout});
  }
  add({.models = 3, .rows = 0, .columns = 5});
  for (const bool groups : {false, true})
    add({.models = 3, .rows = 5, .columns = 0, .conditions = 3, .groups = groups});
  add({.models = 8, .rows = 64, .columns = 121, .perf = true});
  add({.rows = 65543, .columns = 2});
  return cases;
}

const bool registered = register_op("mask_columns", mask_columns_cases());

/// A column is hidden because it is drawn, with a share of .325 on average, or because it is the row's chosen one.
TEST(distribution, mask_columns) {
  const Shape shape{.columns = 10};
  const std::vector<std::int32_t> alone = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::int64_t rows = 20000;
  double hidden = 0.0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::vector<bool> mask = drawn_mask({.seed = 9}, 0, r, shape, alone);
    const auto count = std::count(mask.begin(), mask.end(), true);
    ASSERT_GE(count, 1);
    hidden += static_cast<double>(count);
  }
  EXPECT_NEAR(hidden / static_cast<double>(10 * rows), 0.325 + 0.1 * (1.0 - 0.325), 0.005);
}

}  // namespace
}  // namespace cugad::test
