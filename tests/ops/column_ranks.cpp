#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1, entries = 40;
  bool leave_one_out = false, groups = false;
  bool mean = true, rank = true, score = true;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// What a value beyond the other entries adds.
double tail_of(const std::vector<float>& table, float value, bool leave_one_out) {
  const auto others = static_cast<std::ptrdiff_t>(table.size()) - (leave_one_out ? 1 : 0);
  if (others < 1) return 0.0;
  const double largest = table[others - 1], spread = largest - double{table[(others - 1) / 2]};
  if (double{value} <= largest || !(spread > 0.0)) return 0.0;
  if (std::isnan(value)) return std::log(1.0 + 1e30);
  return std::log(1.0 + std::min((double{value} - largest) / spread, 1e30));
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns, entries] = std::array{shape.models, shape.rows, shape.columns, shape.entries};
  // Few distinct values, so that many are tied, some of them infinite; some rows have no cell that counts.
  const auto number = [&] {
    if (random.chance(0.05)) return random.chance(0.5) ? infinity : -infinity;
    if (random.chance(0.05)) return random.uniform(0.0, 50.0);
    return static_cast<double>(random.integer(-9, 9)) / 4.0;
  };
  auto& value = problem.input("value", models, rows, columns).by_item().fill(number);
  if (rows > 0 && columns > 0) value.set(0, rows - 1, columns - 1, std::numeric_limits<float>::quiet_NaN());
  auto& x = problem.input("x", 1, rows, columns).by_item();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      x.set(0, r, c, r % 5 == 3 || random.chance(0.1) ? std::numeric_limits<float>::quiet_NaN() : 1.0f);
  auto& count = problem.input<std::int32_t>("count", 1, columns, 1);
  auto& table = problem.input("table", 1, columns, entries).fill(number);
  std::vector<std::vector<float>> tables;
  for (std::int64_t c = 0; c < columns; ++c) {
    count.set(0, c, 0, static_cast<std::int32_t>(c % 4 == 3 ? 0 : entries - random.integer(0, entries / 2)));
    std::vector<float> sorted;
    for (std::int64_t i = 0; i < count.get(0, c, 0); ++i) sorted.push_back(table.get(0, c, i));
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i) table.set(0, c, static_cast<std::int64_t>(i), sorted[i]);
    tables.push_back(sorted);
  }
  auto& group = problem.input<std::int32_t>("group", 1, 1, columns);
  const auto begins = [&](std::int64_t c) { return !shape.groups || c % 4 != 2; };  // cells of one and two columns
  for (std::int64_t c = 0; c < columns; ++c) group.set(0, 0, c, static_cast<std::int32_t>(begins(c) ? c : c - 1));
  auto& mean = problem.output("mean", 1, rows, columns).by_item();
  auto& rank = problem.output("rank", 1, rows, columns).by_item();
  auto& score = problem.output("score", 1, rows, 1).by_item();
  for (std::int64_t r = 0; r < rows; ++r) {
    double sum = 0.0, bound = 0.0, cells = 0.0;
    for (std::int64_t c = 0; c < columns; ++c) {
      if (begins(c)) mean.expect(0, r, c, std::nan(""), 0.0);
      if (!begins(c) && std::isnan(x.get(0, r, c - 1))) mean.expect(0, r, c, std::nan(""), 0.0);
      rank.expect(0, r, c, 0.0, 0.0);
      if (std::isnan(x.get(0, r, c)) || !begins(c)) continue;
      double total = 0.0;
      const std::int64_t end = c + 1 < columns && !begins(c + 1) ? c + 2 : c + 1;
      for (std::int64_t m = 0; m < models; ++m)
        for (std::int64_t i = c; i < end; ++i) total += static_cast<double>(value.get(m, r, i));
      const auto average = static_cast<float>(total / static_cast<double>(models * (end - c)));
      for (std::int64_t i = c; i < end; ++i) mean.expect(0, r, i, average, 0.0);
      const double above = static_cast<double>(
          std::count_if(tables[c].begin(), tables[c].end(), [&](float entry) { return entry >= average; }));
      const auto all = static_cast<double>(tables[c].size());
      const double share =
          shape.leave_one_out ? std::max(all, 1.0) / std::max(above, 1.0) : (all + 1.0) / (above + 1.0);
      const double own = std::log(share) + tail_of(tables[c], average, shape.leave_one_out);
      rank.expect(0, r, c, own, 6.0 * eps * (1.0 + own));
      sum += own;
      bound += 6.0 * eps * (1.0 + own);
      cells += 1.0;
    }
    score.expect(0, r, 0, cells > 0.0 ? sum / cells : std::nan(""),
                 cells > 0.0 ? bound / cells + eps * std::abs(sum / cells) : 0.0);
  }
  if (!shape.mean) mean.expect_unchanged();
  if (!shape.rank) rank.expect_unchanged();
  if (!shape.score) score.expect_unchanged();
  problem.models_are_independent = false;
  problem.same_bits_on_all_backends = true;
  problem.bytes = 4.0 * static_cast<double>(rows * columns * (models + 3));
  problem.call = [&, shape](Call& call) {
    ColumnRanks args;
    args.value = value.view(call.slice);
    args.x = x.view(call.slice);
    args.table = table.view();
    args.count = count.view();
    args.leave_one_out = shape.leave_one_out;
    if (shape.mean) args.mean = mean.view(call.slice);
    if (shape.rank) args.rank = rank.view(call.slice);
    if (shape.score) args.score = score.view(call.slice);
    if (shape.groups) args.group = group.view();
    call(args);
  };
}

std::vector<Case> column_ranks_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "entries", s.entries,
                                "leave_one_out", s.leave_one_out, "groups", s.groups, "mean", s.mean, "rank", s.rank,
                                "score", s.score, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  for (const std::int64_t columns : edge_sizes())
    add({.models = 2, .rows = 5, .columns = columns, .layout = static_cast<Layout>(columns % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const std::int64_t entries : {1, 2, 33, 2000})
      add({.models = 4, .rows = 50, .columns = 9, .entries = entries, .layout = layout});
    for (const bool groups : {false, true})
      add({.models = 3, .rows = 50, .columns = 20, .leave_one_out = true, .groups = groups, .layout = layout});
    add({.models = 1, .rows = 31, .columns = 6, .rank = false, .layout = layout});
    add({.models = 1, .rows = 31, .columns = 6, .mean = false, .score = false, .layout = layout});
  }
  add({.models = 3, .rows = 0, .columns = 5});
  add({.models = 3, .rows = 5, .columns = 0});
  add({.models = 3, .rows = 5, .columns = 4, .entries = 0});
  add({.models = 4, .rows = 4096, .columns = 32, .entries = 2000, .perf = true});
  return cases;
}

const bool registered = register_op("column_ranks", column_ranks_cases());

}  // namespace
}  // namespace cugad::test
