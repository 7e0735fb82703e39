#include <gtest/gtest.h>

#include <limits>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

constexpr double double_eps = 0x1p-53;

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  double missing = 0.0;
  double offset = 0.0;  ///< of all values: moments around a large mean
  bool shared_x = false;
  bool log1p = false, in_place = false;  ///< of scale_columns
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// Values with a character per column: normal, constant, skewed, without any value.
void fill_columns(TypedTensor<float>& x, Random& random, const Shape& shape) {
  for (std::int64_t m = 0; m < (x.shared ? 1 : x.models); ++m)
    for (std::int64_t r = 0; r < x.rows; ++r)
      for (std::int64_t c = 0; c < x.columns; ++c) {
        double value = shape.exact ? static_cast<double>(random.integer(-8, 8)) : random.normal();
        if (c % 7 == 3) value = 0.1;
        if (c % 7 == 4) value = std::exp(3.0 * value);
        if (c % 7 == 5 && x.columns > 6) value = std::numeric_limits<double>::quiet_NaN();
        if (random.chance(shape.missing)) value = std::numeric_limits<double>::quiet_NaN();
        x.set(m, r, c, static_cast<float>(value + shape.offset));
      }
}

void build_statistics(Problem& problem, const Shape& shape) {
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  auto& x = problem.input("x", models, rows, columns, shape.shared_x);
  fill_columns(x, problem.random, shape);
  auto& out = problem.output<double>("out", models, 6, columns);
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t c = 0; c < columns; ++c) {
      std::vector<long double> values;
      for (std::int64_t r = 0; r < rows; ++r) {
        if (!std::isnan(x.get(m, r, c))) values.push_back(x.get(m, r, c));
      }
      out.expect(m, 0, c, static_cast<double>(values.size()), 0.0);
      if (values.empty()) {
        for (std::int64_t i = 1; i < 6; ++i) out.expect(m, i, c, 0.0, 0.0);
        continue;
      }
      const auto n = static_cast<long double>(values.size());
      long double mean = 0, magnitude = 0, second = 0, third = 0, third_terms = 0;
      for (const long double v : values) mean += v / n, magnitude += std::abs(v) / n;
      for (const long double v : values) {
        const long double d = v - mean;
        second += d * d / n;
        third += d * d * d / n;
        third_terms += std::abs(d * d * d) / n;
      }
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      const bool varies = *low < *high;
      const auto deviation = static_cast<double>(varies ? std::sqrt(second) : 0.0L);
      // Sums of n terms in double; a mean that is off by e moves the variance by e^2 and the third moment by 3 e var.
      const double roundings = (static_cast<double>(n) + 8.0) * double_eps;
      const double mean_bound = roundings * static_cast<double>(magnitude);
      out.expect(m, 1, c, static_cast<double>(mean), mean_bound);
      out.expect(m, 2, c, deviation, varies ? roundings * deviation + mean_bound : 0.0);
      const double cube = deviation * deviation * deviation;
      out.expect(
          m, 3, c, varies ? static_cast<double>(third) / cube : 0.0,
          varies ? 4.0 * roundings * static_cast<double>(third_terms) / cube + 6.0 * mean_bound / deviation : 0.0);
      out.expect(m, 4, c, static_cast<double>(*low), 0.0);
      out.expect(m, 5, c, static_cast<double>(*high), 0.0);
    }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 8.0 * static_cast<double>(models * rows * columns);  // two passes
  problem.call = [&](Call& call) {
    ColumnStatistics args;
    args.x = x.view(call.slice);
    args.out = out.view(call.slice);
    call(args);
  };
}

void build_scale(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  auto& x = shape.in_place ? problem.state("x", models, rows, columns)
                           : problem.input("x", models, rows, columns, shape.shared_x);
  fill_columns(x, random, shape);
  auto& shift = problem.input<double>("shift", models, 1, columns, shape.shared_x);
  auto& scale = problem.input<double>("scale", models, 1, columns, shape.shared_x);
  auto& log1p = problem.input<std::uint8_t>("log1p", models, 1, columns, shape.shared_x);
  shift.fill([&] {
    if (shape.exact) return static_cast<double>(random.integer(-8, 8));
    return shape.log1p && random.chance(0.3) ? 0.0 : random.normal() + shape.offset;
  });
  scale.fill([&] { return shape.exact ? 0.25 : std::exp(random.normal()); });
  log1p.fill([&] { return random.chance(0.5) ? 1 : 0; });
  auto& y = problem.output("y", models, rows, columns);
  x.by_item();
  y.by_item();
  // Small ones, of which 1 + x keeps few digits.
  for (std::int64_t m = 0; m < (shape.shared_x ? 1 : models) && shape.log1p && !shape.exact; ++m)
    for (std::int64_t r = 3; r < rows; r += 4)
      for (std::int64_t c = 0; c < columns; ++c) x.set(m, r, c, x.get(m, r, c) * 1e-12f);
  // Some that overflow, and infinite ones.
  constexpr double largest = std::numeric_limits<float>::max();
  for (std::int64_t m = 0; m < (shape.shared_x ? 1 : models) && !shape.exact; ++m)
    for (std::int64_t r = 1; r < rows; r += 4) {
      const double size = r % 8 == 1 ? std::numeric_limits<double>::infinity() : largest;
      x.set(m, r, r % columns, static_cast<float>(random.chance(0.5) ? size : -size));
    }
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        double value = x.get(m, r, c);
        if (shape.log1p && log1p.get(m, 0, c) != 0) value = std::copysign(std::log1p(std::abs(value)), value);
        double result = (value - shift.get(m, 0, c)) * scale.get(m, 0, c);
        if (!std::isnan(result)) result = std::clamp(result, -largest, largest);
        // The last term: cancellation in the subtraction, which is in double.
        const double bound = 2.0 * eps * std::abs(result) +
                             4.0 * double_eps * (std::abs(value) + std::abs(shift.get(m, 0, c))) * scale.get(m, 0, c);
        if (shape.in_place) x.expect(m, r, c, result, std::isfinite(result) ? bound : 0.0);
        y.expect(m, r, c, result, std::isfinite(result) ? bound : 0.0);
      }
  if (shape.in_place) y.expect_unchanged();
  problem.bytes = 8.0 * static_cast<double>(models * rows * columns);
  problem.call = [&, shape](Call& call) {
    ScaleColumns args;
    args.x = x.view(call.slice);
    args.shift = shift.view(call.slice);
    args.scale = scale.view(call.slice);
    if (shape.log1p) args.log1p = log1p.view(call.slice);
    args.y = shape.in_place ? x.view(call.slice) : y.view(call.slice);
    call(args);
  };
}

std::vector<Case> cases_of(void (*build)(Problem&, const Shape&), bool scaling) {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters =
        parameters("models", s.models, "rows", s.rows, "columns", s.columns, "missing", s.missing, "offset", s.offset,
                   "shared_x", s.shared_x, "log1p", s.log1p, "in_place", s.in_place, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.exact = s.exact;
    one.perf = s.perf;
    one.build = [s, build](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const std::int64_t columns : {1, 3, 7, 15, 16, 17, 63, 64, 65, 121})
      add({.rows = 13, .columns = columns, .missing = columns % 2 == 0 ? 0.2 : 0.0, .layout = layout});
    for (const std::int64_t rows : {1, 2, 3, 257}) add({.rows = rows, .columns = 9, .layout = layout});
    add({.models = 3, .rows = 31, .columns = 19, .missing = 0.1, .shared_x = true, .layout = layout});
    add({.models = 3, .rows = 31, .columns = 19, .missing = 0.1, .offset = 1e6, .layout = layout});
    if (!scaling) continue;
    for (const bool log1p : {false, true})
      for (const bool in_place : {false, true})
        add({.models = 3,
             .rows = 17,
             .columns = 23,
             .missing = 0.1,
             .log1p = log1p,
             .in_place = in_place,
             .layout = layout});
    add({.models = 2, .rows = 9, .columns = 3, .exact = true, .layout = layout});
  }
  add({.rows = 65543, .columns = 3});
  add({.rows = 4096, .columns = 121, .log1p = scaling, .perf = true});
  if (scaling) add({.rows = 0, .columns = 3});
  // Enough work for a second thread.
  add({.rows = 8000, .columns = 130});
  return cases;
}

const bool registered_statistics = register_op("column_statistics", cases_of(build_statistics, false));
const bool registered_scale = register_op("scale_columns", cases_of(build_scale, true));

struct QuantileShape {
  std::int64_t models = 1, rows = 1, n = 1;
  std::int32_t count = 1;
  bool ties = false;
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build_quantile(Problem& problem, const QuantileShape& shape) {
  Random& random = problem.random;
  auto& values = problem.input("values", shape.models, shape.rows, shape.n).by_item();
  values.fill([&] { return shape.ties ? static_cast<double>(random.integer(-2, 2)) : random.normal(); });
  auto& out = problem.output("out", shape.models, shape.rows, shape.count).by_item();
  std::array<double, Quantile::max_count> probability{};
  for (int i = 0; i < shape.count; ++i) {
    // The ends, exact positions and positions between.
    constexpr double fixed[] = {0.5, 0.0, 1.0, 0.25, 0.95, 0.999999};
    probability[static_cast<std::size_t>(i)] = i < 6 ? fixed[i] : random.uniform(0.0, 1.0);
  }
  std::vector<double> sorted(static_cast<std::size_t>(shape.n));
  for (std::int64_t m = 0; m < shape.models; ++m)
    for (std::int64_t r = 0; r < shape.rows; ++r) {
      for (std::int64_t c = 0; c < shape.n; ++c) sorted[static_cast<std::size_t>(c)] = values.get(m, r, c);
      std::sort(sorted.begin(), sorted.end());
      for (std::int32_t i = 0; i < shape.count; ++i) {
        const double position = probability[static_cast<std::size_t>(i)] * static_cast<double>(shape.n - 1);
        const auto below = static_cast<std::size_t>(position);
        const double a = sorted[below], b = sorted[std::min(below + 1, sorted.size() - 1)];
        const double t = position - static_cast<double>(below), value = a + (b - a) * t;
        out.expect(m, r, i, value, eps * std::abs(value) + 4.0 * double_eps * (std::abs(a) + std::abs(b)));
      }
    }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 4.0 * static_cast<double>(shape.models * shape.rows * shape.n);
  problem.call = [&, shape, probability](Call& call) {
    Quantile args;
    args.values = values.view(call.slice);
    args.count = shape.count;
    std::copy(probability.begin(), probability.end(), args.probability);
    args.out = out.view(call.slice);
    call(args);
  };
}

std::vector<Case> quantile_cases() {
  std::vector<Case> cases;
  const auto add = [&](const QuantileShape& s) {
    Case one;
    one.parameters = parameters("models", s.models, "rows", s.rows, "n", s.n, "count", s.count, "ties", s.ties,
                                "layout", name_of(s.layout));
    one.layout = s.layout;
    one.exact = s.exact;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build_quantile(problem, s); };
    cases.push_back(one);
  };
  for (const std::int64_t n : {1, 2, 3, 5, 16, 17, 64, 65, 121, 257})
    for (const std::int32_t count : {1, 3, 4, 5, 16})
      for (const bool ties : {false, true})
        add({.rows = 3, .n = n, .count = count, .ties = ties, .layout = static_cast<Layout>((n + count) % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 3, .rows = 7, .n = 33, .count = 6, .layout = layout});
    add({.models = 3, .rows = 7, .n = 33, .count = 4, .ties = true, .exact = true, .layout = layout});
  }
  add({.rows = 0, .n = 5, .count = 2});
  add({.rows = 65543, .n = 3, .count = 2});
  add({.rows = 1, .n = 65543, .count = 3, .perf = true});
  return cases;
}

const bool registered_quantile = register_op("quantile", quantile_cases());

}  // namespace
}  // namespace cugad::test
