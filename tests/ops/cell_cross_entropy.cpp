#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  bool mask = true, masked_only = false, missing = false;
  double target = 1.0, masked_target = 0.0, weight = 1.0;
  bool accumulate = false, in_place = false;
  bool dlogit = true, loss = true, mean_probability = true;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

double cross_entropy(double logit, double target) { return softplus(logit) - logit * target; }

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  auto& logit =
      shape.in_place ? problem.state("logit", models, rows, columns) : problem.input("logit", models, rows, columns);
  logit.fill([&] { return 4.0 * random.normal(); });
  auto& mask = problem.input("mask", models, rows, columns);
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) mask.set(m, r, c, r % 5 != 3 && random.chance(0.4) ? 1.0f : 0.0f);
  auto& x = problem.input("x", models, rows, columns);
  x.fill([&] { return random.chance(0.2) ? std::nan("") : random.normal(); });
  for (std::int64_t c = 0; rows > 2 && c < columns; ++c) x.set(0, 2, c, std::nanf(""));
  auto& dlogit = problem.output("dlogit", models, rows, columns);
  const auto sum_tensor = [&](const char* name) -> TypedTensor<float>& {
    return shape.accumulate ? problem.state(name, models, 1, 1).fill([&] { return random.normal(); })
                            : problem.output(name, models, 1, 1);
  };
  auto& loss = sum_tensor("loss");
  auto& mean_probability = sum_tensor("mean_probability");
  const double weight = static_cast<float>(shape.weight);
  const auto n = static_cast<double>(rows);
  for (std::int64_t m = 0; m < models; ++m) {
    double mean_loss = 0.0, mean_bound = 0.0, probability = 0.0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto is_hidden = [&](std::int64_t c) { return shape.mask && mask.get(m, r, c) != 0.0f; };
      const auto is_there = [&](std::int64_t c) { return !shape.missing || !std::isnan(x.get(m, r, c)); };
      double hidden = 0.0, there = 0.0, sum = 0.0, bound = 0.0, seen = 0.0;
      for (std::int64_t c = 0; c < columns; ++c) {
        hidden += is_there(c) && is_hidden(c) ? 1.0 : 0.0;
        there += is_there(c) ? 1.0 : 0.0;
      }
      const double cells = shape.masked_only ? hidden : there;
      const double looked_at = shape.mask ? hidden : there;
      for (std::int64_t c = 0; c < columns; ++c) {
        const bool counts = is_there(c) && (!shape.masked_only || is_hidden(c));
        const double l = logit.get(m, r, c),
                     target = static_cast<float>(is_hidden(c) ? shape.masked_target : shape.target);
        const double share = counts ? weight / (n * cells) : 0.0;
        dlogit.expect(m, r, c, share * (logistic(l) - target), 6.0 * eps * std::abs(share));
        if (shape.in_place) logit.expect(m, r, c, share * (logistic(l) - target), 6.0 * eps * std::abs(share));
        sum += counts ? cross_entropy(l, target) : 0.0;
        bound += counts ? 6.0 * eps * (1.0 + cross_entropy(l, target)) : 0.0;
        seen += is_there(c) && (!shape.mask || is_hidden(c)) ? logistic(l) : 0.0;
      }
      if (cells > 0.0) mean_loss += sum / cells, mean_bound += bound / cells;
      if (looked_at > 0.0) probability += seen / looked_at;
    }
    const auto expect_mean = [&](TypedTensor<float>& tensor, double mean, double bound) {
      const double before = shape.accumulate ? tensor.get(m, 0, 0) : 0.0;
      tensor.expect(m, 0, 0, before + mean, bound + 2.0 * eps * (std::abs(before) + std::abs(mean)));
    };
    expect_mean(loss, weight * mean_loss / std::max(1.0, n), std::abs(weight) * mean_bound / std::max(1.0, n));
    expect_mean(mean_probability, probability / std::max(1.0, n), 6.0 * eps);
  }
  if (!shape.dlogit || shape.in_place) dlogit.expect_unchanged();
  if (!shape.loss || rows == 0) loss.expect_unchanged();
  if (!shape.mean_probability || rows == 0) mean_probability.expect_unchanged();
  problem.same_bits_on_all_backends = true;  // the means too: double sums differ far below a float's last bit
  problem.bytes = 12.0 * static_cast<double>(models * rows * columns);
  problem.call = [&, shape](Call& call) {
    CellCrossEntropy args;
    args.logit = logit.view(call.slice);
    if (shape.mask) args.mask = mask.view(call.slice);
    args.target = static_cast<float>(shape.target);
    args.masked_target = static_cast<float>(shape.masked_target);
    args.masked_only = shape.masked_only;
    args.weight = static_cast<float>(shape.weight);
    if (shape.dlogit) args.dlogit = shape.in_place ? logit.view(call.slice) : dlogit.view(call.slice);
    if (shape.loss) args.loss = loss.view(call.slice);
    if (shape.mean_probability) args.mean_probability = mean_probability.view(call.slice);
    args.accumulate = shape.accumulate;
    if (shape.missing) args.x = x.view(call.slice);
    call(args);
  };
}

std::vector<Case> cell_cross_entropy_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters =
        parameters("models", s.models, "rows", s.rows, "columns", s.columns, "mask", s.mask, "masked_only",
                   s.masked_only, "missing", s.missing, "target", s.target, "masked_target", s.masked_target, "weight",
                   s.weight, "accumulate", s.accumulate, "in_place", s.in_place, "dlogit", s.dlogit, "loss", s.loss,
                   "mean_probability", s.mean_probability, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  for (const std::int64_t columns : edge_sizes())
    add({.rows = 6, .columns = columns, .layout = static_cast<Layout>(columns % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const bool masked_only : {false, true})
      add({.models = 3, .rows = 23, .columns = 41, .masked_only = masked_only, .missing = true, .layout = layout});
    add({.models = 3, .rows = 23, .columns = 9, .mask = false, .missing = true, .layout = layout});
    for (const bool in_place : {false, true}) {
      add({.models = 3, .rows = 23, .columns = 9, .weight = 0.35, .in_place = in_place, .layout = layout});
      add({.models = 3,
           .rows = 23,
           .columns = 9,
           .mask = false,
           .weight = 0.5,
           .in_place = in_place,
           .layout = layout});
      add({.models = 3,
           .rows = 23,
           .columns = 9,
           .masked_only = true,
           .masked_target = 1.0,
           .accumulate = in_place,
           .in_place = in_place,
           .layout = layout});
    }
    add({.models = 2,
         .rows = 70,
         .columns = 5,
         .target = 0.9,
         .masked_target = 0.2,
         .accumulate = true,
         .dlogit = false,
         .layout = layout});
    add({.models = 2, .rows = 70, .columns = 5, .loss = false, .mean_probability = false, .layout = layout});
    add({.models = 2, .rows = 300, .columns = 5, .loss = false, .layout = layout});
    add({.models = 2, .rows = 300, .columns = 5, .mean_probability = false, .layout = layout});
  }
  add({.models = 3, .rows = 0, .columns = 5});
  add({.models = 3, .rows = 5, .columns = 0});
  add({.models = 8, .rows = 64, .columns = 121, .perf = true});
  add({.rows = 65543, .columns = 2});
  return cases;
}

const bool registered = register_op("cell_cross_entropy", cell_cross_entropy_cases());

}  // namespace
}  // namespace cugad::test
