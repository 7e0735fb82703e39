#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, bank = 1, columns = 1;
  std::int32_t neighbours = 1;
  Distance metric = Distance::l2;
  double missing = 0.0;
  bool shared_bank = false;
  bool index = true;
  bool exact = false;  ///< integers from a small range: many ties
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, bank_rows, columns] = std::array{shape.models, shape.rows, shape.bank, shape.columns};
  const std::int32_t k = shape.neighbours;
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-2, 2)) : random.normal(); };
  auto& query = problem.input("query", models, rows, columns).by_item();
  query.fill([&] { return random.chance(shape.missing) ? std::numeric_limits<double>::quiet_NaN() : number(); });
  auto& bank = problem.input("bank", models, bank_rows, columns, shape.shared_bank).fill(number);
  auto& distance = problem.output("distance", models, rows, k).by_item();
  auto& index = problem.output<std::int32_t>("index", models, rows, k).by_item();
  const double relative = static_cast<double>(columns + 4) * eps;
  const auto exact_distance = [&, metric = shape.metric](std::int64_t m, std::int64_t r, std::int64_t i) {
    double sum = 0.0;
    for (std::int64_t c = 0; c < query.columns; ++c) {
      const double difference = static_cast<double>(query.get(m, r, c)) - bank.get(m, i, c);
      if (std::isnan(difference)) continue;
      sum += metric == Distance::l1 ? std::abs(difference) : difference * difference;
    }
    return metric == Distance::l2 ? std::sqrt(sum) : sum;
  };

  std::vector<std::pair<double, std::int64_t>> all(static_cast<std::size_t>(bank_rows));
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t i = 0; i < bank_rows; ++i) all[static_cast<std::size_t>(i)] = {exact_distance(m, r, i), i};
      std::partial_sort(all.begin(), all.begin() + k, all.end());
      // Every computed distance lies within a relative bound of the true one, so the i-th smallest does too.
      for (std::int32_t i = 0; i < k; ++i) {
        const auto [value, row] = all[static_cast<std::size_t>(i)];
        distance.expect(m, r, i, shape.exact ? static_cast<float>(value) : value, relative * value);
        index.expect(m, r, i, static_cast<double>(row), shape.exact ? 0.0 : infinity);
      }
    }
  if (!shape.index) index.expect_unchanged();

  // Which row is found may hang on a rounding; that it is at the distance given, and unique, may not.
  if (shape.index)
    problem.check = [&, exact_distance, relative, bank_rows = bank_rows, k,
                     at = problem.index_of(distance)](const Results& results) -> std::string {
      for (std::int64_t m = 0; m < distance.models; ++m)
        for (std::int64_t r = 0; r < distance.rows; ++r)
          for (std::int32_t i = 0; i < k; ++i) {
            const std::int32_t row = index.get(results[at + 1], m, r, i);
            const double given = distance.get(results[at], m, r, i);
            std::ostringstream place;
            place << "neighbour " << i << " of query " << r << " of model " << m << ": ";
            if (row < 0 || row >= bank_rows) return place.str() + "index out of the bank";
            const double truth = exact_distance(m, r, row);
            if (!(std::abs(truth - given) <= relative * truth)) return place.str() + "index and distance disagree";
            if (i == 0) continue;
            const double before = distance.get(results[at], m, r, i - 1);
            if (!(before <= given)) return place.str() + "distances descend";
            if (before == given && !(index.get(results[at + 1], m, r, i - 1) < row))
              return place.str() + "a tie is not in the order of the bank";
            for (std::int32_t j = 0; j < i; ++j) {
              if (index.get(results[at + 1], m, r, j) == row) return place.str() + "given twice";
            }
          }
      return "";
    };

  problem.same_bits_where_fused = true;
  problem.flops = 3.0 * static_cast<double>(models * rows * bank_rows * columns);
  problem.call = [&, shape](Call& call) {
    NearestRows args;
    args.query = query.view(call.slice);
    args.bank = bank.view(call.slice);
    args.neighbours = shape.neighbours;
    args.metric = shape.metric;
    args.distance = distance.view(call.slice);
    if (shape.index) args.index = index.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "bank", s.bank, "columns", s.columns, "neighbours",
                              s.neighbours, "metric", name_of(s.metric), "missing", s.missing, "shared_bank",
                              s.shared_bank, "index", s.index, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> nearest_rows_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const Distance metric : {Distance::l1, Distance::l2, Distance::squared}) {
    for (const std::int64_t bank : {1, 2, 5, 15, 16, 17, 63, 64, 65, 131}) {
      const auto k = static_cast<std::int32_t>(std::min<std::int64_t>(bank, bank % 2 == 0 ? 64 : 3));
      const auto layout = static_cast<Layout>(bank % 3);
      add({.rows = 7, .bank = bank, .columns = 13, .neighbours = k, .metric = metric, .layout = layout});
      add({.rows = 7, .bank = bank, .columns = 3, .neighbours = k, .metric = metric, .exact = true, .layout = layout});
      add({.rows = 6,
           .bank = bank,
           .columns = 17,
           .neighbours = 1,
           .metric = metric,
           .exact = true,
           .layout = Layout::misaligned});
    }
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
      add({.models = 3,
           .rows = 11,
           .bank = 70,
           .columns = 19,
           .neighbours = 4,
           .metric = metric,
           .missing = 0.3,
           .shared_bank = true,
           .layout = layout});
      add({.models = 3,
           .rows = 11,
           .bank = 70,
           .columns = 5,
           .neighbours = 9,
           .metric = metric,
           .missing = 0.5,
           .exact = true,
           .layout = layout});
    }
    add({.rows = 3, .bank = 20, .columns = 6, .neighbours = 5, .metric = metric, .missing = 1.0, .exact = true});
    add({.rows = 9, .bank = 40, .columns = 8, .neighbours = 2, .metric = metric, .index = false});
    add({.rows = 0, .bank = 4, .columns = 6, .metric = metric});
  }
  // Few queries and many, of one neighbour and of several, over more than one tile of columns.
  for (const Distance metric : {Distance::l1, Distance::squared}) {
    for (const std::int32_t k : {1, 5}) {
      for (const std::int64_t rows : {7, 70}) {
        const Layout layout = k == 1 ? Layout::misaligned : Layout::contiguous;
        add({.rows = rows, .bank = 150, .columns = 71, .neighbours = k, .metric = metric, .layout = layout});
        add({.models = 2, .rows = rows, .bank = 90, .columns = 40, .neighbours = k, .metric = metric, .missing = 0.1});
      }
    }
  }
  add({.rows = 2, .bank = 3000, .columns = 4, .neighbours = 40});
  add({.rows = 50, .bank = 1000, .columns = 121, .neighbours = 1, .perf = true});
  add({.rows = 50, .bank = 1000, .columns = 121, .neighbours = 10, .metric = Distance::squared, .perf = true});
  add({.rows = 201, .bank = 901, .columns = 121, .neighbours = 5});  // enough work for a second thread
  add({.rows = 3, .bank = 65543, .columns = 2, .neighbours = 7});
  add({.rows = 65543, .bank = 9, .columns = 2, .neighbours = 2, .metric = Distance::l1});
  return cases;
}

const bool registered = register_op("nearest_rows", nearest_rows_cases());

}  // namespace
}  // namespace cugad::test
