#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, n = 1;
  double weight = 1.0;
  std::int64_t step = 2, step_counter = -1, step_stride = 1;  ///< counter: negative for none
  bool model_scale = false;
  bool exact = false;  ///< small integers; the step must be a power of two
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, n] = std::array{shape.models, shape.n};
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-9, 9)) : random.normal(); };
  auto& parameter = problem.input("parameter", models, 1, n).fill(number);
  const std::int64_t t = shape.step + shape.step_stride * std::max<std::int64_t>(shape.step_counter, 0);
  auto& mean = problem.state("mean", models, 1, n);
  // What the mean holds before the first step does not matter.
  mean.fill([&] { return t == 1 ? std::numeric_limits<double>::quiet_NaN() : number(); });
  auto& gradient = problem.state("gradient", models, 1, n).fill(number);
  auto& model_scale = problem.input("model_scale", models, 1, 1);
  for (std::int64_t m = 0; m < models; ++m) model_scale.set(m, 0, 0, m == 0 ? 0.5f : m == 1 ? 0.0f : 1.0f);
  auto& counter = problem.input<std::uint32_t>("step_counter", 1, 1, 1, true);
  counter.set(0, 0, 0, static_cast<std::uint32_t>(std::max<std::int64_t>(shape.step_counter, 0)));
  const double weight = static_cast<float>(shape.weight);
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t i = 0; i < n; ++i) {
      const double theta = parameter.get(m, 0, i), before = t == 1 ? 0.0 : mean.get(m, 0, i), g = gradient.get(m, 0, i);
      if (shape.model_scale && m == 1) {
        mean.expect(m, 0, i, mean.get(m, 0, i), 0.0);
        gradient.expect(m, 0, i, g, 0.0);
        continue;
      }
      const double average = t == 1 ? theta : before + (theta - before) / static_cast<double>(t);
      const double sizes = std::abs(before) + std::abs(theta);
      mean.expect(m, 0, i, average, 2.0 * eps * sizes);
      const double value = g + 2.0 * weight * (theta - average);
      gradient.expect(m, 0, i, value, eps * std::abs(value) + 8.0 * eps * std::abs(weight) * sizes);
    }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 20.0 * static_cast<double>(models * n);
  problem.call = [&, shape](Call& call) {
    HistoricalAverage args;
    args.parameter = parameter.view(call.slice);
    args.mean = mean.view(call.slice);
    args.gradient = gradient.view(call.slice);
    if (shape.model_scale) args.model_scale = model_scale.view(call.slice);
    args.weight = static_cast<float>(shape.weight);
    args.step = shape.step;
    if (shape.step_counter >= 0) args.step_counter = counter.view().data;
    args.step_stride = shape.step_stride;
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "n", s.n, "weight", s.weight, "step", s.step, "counter", s.step_counter, "stride",
                 s.step_stride, "model_scale", s.model_scale, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> historical_average_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t n : edge_sizes()) {
    add({.n = n, .weight = 0.1, .step = 7, .layout = static_cast<Layout>(n % 3)});
    add({.models = 3, .n = n, .weight = 0.5, .step = 1, .layout = Layout::strided});
  }
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 4, .n = 1003, .weight = 0.01, .step = 3, .model_scale = true, .layout = layout});
    add({.models = 2, .n = 301, .step = 2, .step_counter = 40, .step_stride = 5, .layout = layout});
    add({.models = 2, .n = 77, .step = 0, .step_counter = 1, .layout = layout});
    add({.models = 2, .n = 301, .weight = 4.0, .step = 8, .exact = true, .layout = layout});
  }
  add({.n = 0});
  add({.models = 0, .n = 5});
  for (const std::int64_t step : {1, 5})  // more than a small chip's blocks hold at a time
    for (const bool model_scale : {false, true})
      add({.models = model_scale ? 2 : 1, .n = 20011, .weight = 0.1, .step = step, .model_scale = model_scale});
  add({.models = 300, .n = 5, .step = 1000000});
  add({.n = 300001, .perf = true});
  return cases;
}

const bool registered = register_op("historical_average", historical_average_cases());

}  // namespace
}  // namespace cugad::test
