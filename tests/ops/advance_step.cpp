#include <gtest/gtest.h>

#include <numbers>

#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t counter = 0, calls = 1;
  double final_rate = 0.1;
  std::int64_t decay_steps = 4000;
  bool rate_scale = true;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  auto& counter = problem.state<std::uint32_t>("step_counter", 1, 1, 1);
  counter.set(0, 0, 0, static_cast<std::uint32_t>(shape.counter));
  auto& rate_scale = problem.output("rate_scale", 1, 1, 1);
  const std::int64_t t = shape.counter + shape.calls;
  counter.expect(0, 0, 0, static_cast<double>(t), 0.0);
  const double share = std::min(1.0, static_cast<double>(t) / static_cast<double>(shape.decay_steps));
  const double last = std::min(1.0, shape.final_rate);
  const double rate = last + (1.0 - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * share));
  if (shape.rate_scale) {
    rate_scale.expect(0, 0, 0, rate, 2.0 * eps);
  } else {
    rate_scale.expect_unchanged();
  }
  problem.call = [&, shape](Call& call) {
    AdvanceStep args;
    args.step_counter = counter.view().data;
    if (shape.rate_scale) args.rate_scale = rate_scale.view().data;
    args.final_rate = shape.final_rate;
    args.decay_steps = shape.decay_steps;
    for (std::int64_t i = 0; i < shape.calls; ++i) call(args);
  };
}

std::vector<Case> advance_step_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters = parameters("counter", s.counter, "calls", s.calls, "final_rate", s.final_rate, "decay_steps",
                                s.decay_steps, "rate_scale", s.rate_scale, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  for (const double final_rate : {0.0, 0.1, 0.37, 1.0, 2.0}) {
    for (const std::int64_t counter : {0, 1, 1999, 3998, 3999, 4000, 100000})
      add({.counter = counter, .final_rate = final_rate, .layout = static_cast<Layout>(counter % 3)});
  }
  add({.counter = 5, .calls = 17, .final_rate = 0.0, .decay_steps = 40});
  add({.counter = 7, .decay_steps = 1});
  add({.counter = 3000000000, .decay_steps = 6000000000});
  add({.counter = 7, .calls = 3, .rate_scale = false});
  return cases;
}

const bool registered = register_op("advance_step", advance_step_cases());

}  // namespace
}  // namespace cugad::test
