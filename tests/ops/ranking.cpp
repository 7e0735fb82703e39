#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "cugad/metrics.hpp"
#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

constexpr double double_eps = 0x1p-53;

struct Shape {
  std::int64_t models = 1, rows = 1, n = 1;
  double anomalies = 0.2;  ///< share
  int levels = 0;          ///< distinct scores; 0: as many as rows
  bool shared_label = false;
  bool zeros = false;  ///< scores are -0, +0 and infinities
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// From the definition: every pair of an anomaly and a normal row.
double area_by_pairs(const std::vector<std::uint8_t>& label, const std::vector<float>& score) {
  std::int64_t doubled = 0, pairs = 0;
  for (std::size_t i = 0; i < label.size(); ++i)
    for (std::size_t j = 0; j < label.size(); ++j) {
      if (label[i] == 0 || label[j] != 0) continue;
      doubled += score[i] > score[j] ? 2 : score[i] == score[j] ? 1 : 0;
      ++pairs;
    }
  return static_cast<double>(doubled) / (2.0 * static_cast<double>(pairs));
}

float make_score(Random& random, const Shape& shape) {
  const float infinite = std::numeric_limits<float>::infinity();
  const float special[] = {-infinite, -1.0f, -0.0f, 0.0f, 1e-45f, 1.0f, infinite};
  if (shape.zeros) return special[random.integer(0, 6)];
  if (shape.levels > 0) return static_cast<float>(random.integer(1, shape.levels)) / 7.0f - 0.5f;
  return static_cast<float>(random.normal());
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, n] = std::array{shape.models, shape.rows, shape.n};
  auto& score = problem.input("score", models, rows, n).by_item().fill([&] { return make_score(random, shape); });
  auto& label = problem.input<std::uint8_t>("label", models, rows, n, shape.shared_label).by_item();
  label.fill([&] { return random.chance(shape.anomalies) ? random.integer(1, 255) : 0; });
  auto& out = problem.output<double>("out", models, rows, 2).by_item();
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      std::vector<float> scores;
      std::vector<std::uint8_t> labels;
      for (std::int64_t i = 0; i < n; ++i) {
        scores.push_back(score.get(m, r, i));
        labels.push_back(label.get(m, r, i));
      }
      const auto anomalies = n - std::count(labels.begin(), labels.end(), std::uint8_t{0});
      const bool both = anomalies > 0 && anomalies < n;
      const double area = both ? metrics::auroc(labels, scores) : undefined;
      if (both && n < 1000) {
        ASSERT_EQ(area, area_by_pairs(labels, scores));
      }
      out.expect(m, r, 0, area, 0.0);
      const double precision = anomalies > 0 ? metrics::average_precision(labels, scores) : undefined;
      out.expect(m, r, 1, precision, anomalies > 0 ? static_cast<double>(n + 4) * double_eps * precision : 0.0);
    }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 5.0 * static_cast<double>(models * rows * n);
  problem.call = [&](Call& call) {
    RankingMetrics args;
    args.score = score.view(call.slice);
    args.label = label.view(call.slice);
    args.out = out.view(call.slice);
    call(args);
  };
}

std::vector<Case> ranking_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters =
        parameters("models", s.models, "rows", s.rows, "n", s.n, "anomalies", s.anomalies, "levels", s.levels,
                   "shared_label", s.shared_label, "zeros", s.zeros, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  for (const std::int64_t n : {1, 2, 3, 31, 32, 33, 255, 256, 257, 700})
    for (const int levels : {0, 1, 5}) add({.rows = 3, .n = n, .levels = levels, .layout = static_cast<Layout>(n % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 3, .rows = 5, .n = 41, .anomalies = 0.5, .shared_label = true, .layout = layout});
    add({.models = 2, .rows = 4, .n = 300, .levels = 9, .layout = layout});
    add({.rows = 4, .n = 60, .anomalies = 0.4, .zeros = true, .layout = layout});
  }
  for (const double anomalies : {0.0, 1.0}) add({.rows = 2, .n = 37, .anomalies = anomalies});
  add({.rows = 0, .n = 5});
  add({.rows = 1, .n = 10007, .levels = 3});  // groups of ties longer than many tiles
  add({.rows = 1027, .n = 3, .anomalies = 0.5});
  add({.rows = 1, .n = 65543, .perf = true});
  return cases;
}

const bool registered = register_op("ranking_metrics", ranking_cases());

}  // namespace
}  // namespace cugad::test
