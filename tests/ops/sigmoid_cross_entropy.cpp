#include <gtest/gtest.h>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1;
  double target = 1.0, weight = 1.0;
  double range = 4.0;  ///< logits are normal with this deviation
  bool accumulate = false;
  bool in_place = false;  ///< dlogit is the logit buffer
  bool dlogit = true, per_row = true, loss = true, mean_probability = true;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

double loss_of(double logit, double target) { return softplus(logit) - logit * target; }
double slope_of(double logit, double target) { return logistic(logit) - target; }

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows] = std::array{shape.models, shape.rows};
  auto& logit = shape.in_place ? problem.state("logit", models, rows, 1) : problem.input("logit", models, rows, 1);
  logit.fill([&] { return random.normal() * shape.range; });
  auto& dlogit = problem.output("dlogit", models, rows, 1);
  auto& per_row = problem.output("per_row", models, rows, 1);
  const auto sum_tensor = [&](const char* name) -> TypedTensor<float>& {
    return shape.accumulate ? problem.state(name, models, 1, 1).fill([&] { return random.normal(); })
                            : problem.output(name, models, 1, 1);
  };
  auto& loss = sum_tensor("loss");
  auto& mean_probability = sum_tensor("mean_probability");
  const double target = static_cast<float>(shape.target), weight = static_cast<float>(shape.weight);
  const auto count = static_cast<double>(rows);

  for (std::int64_t m = 0; m < models; ++m) {
    double sum = 0.0, sum_bound = 0.0, probability = 0.0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const double l = logit.get(m, r, 0), per = loss_of(l, target);
      per_row.expect(m, r, 0, per, 6.0 * eps * (1.0 + std::abs(per)));
      const double gradient = weight * slope_of(l, target) / count, bound = 6.0 * eps * std::abs(weight) / count;
      dlogit.expect(m, r, 0, gradient, bound);
      if (shape.in_place) logit.expect(m, r, 0, gradient, bound);
      sum += per;
      sum_bound += 6.0 * eps * (1.0 + std::abs(per));
      probability += logistic(l);
    }
    // The sum is a double; the mean is rounded once, and once more if it is accumulated.
    const auto expect_mean = [&](TypedTensor<float>& tensor, double mean, double bound) {
      const double before = shape.accumulate ? tensor.get(m, 0, 0) : 0.0;
      tensor.expect(m, 0, 0, before + mean, bound + 2.0 * eps * (std::abs(before) + std::abs(mean)));
    };
    expect_mean(loss, weight * sum / count, std::abs(weight) * sum_bound / count);
    expect_mean(mean_probability, probability / count, 6.0 * eps);
  }
  if (!shape.dlogit || shape.in_place) dlogit.expect_unchanged();
  if (!shape.per_row) per_row.expect_unchanged();
  if (!shape.loss) loss.expect_unchanged();
  if (!shape.mean_probability) mean_probability.expect_unchanged();

  problem.same_bits_on_all_backends = true;  // the means too: double sums differ far below a float's last bit
  problem.bytes = 12.0 * static_cast<double>(models * rows);
  problem.call = [&, shape](Call& call) {
    SigmoidCrossEntropy args;
    args.logit = logit.view(call.slice);
    args.target = static_cast<float>(shape.target);
    args.weight = static_cast<float>(shape.weight);
    if (shape.dlogit) args.dlogit = shape.in_place ? logit.view(call.slice) : dlogit.view(call.slice);
    if (shape.per_row) args.per_row = per_row.view(call.slice);
    if (shape.loss) args.loss = loss.view(call.slice);
    if (shape.mean_probability) args.mean_probability = mean_probability.view(call.slice);
    args.accumulate = shape.accumulate;
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "target", s.target, "weight", s.weight, "range", s.range,
                 "accumulate", s.accumulate, "in_place", s.in_place, "dlogit", s.dlogit, "per_row", s.per_row, "loss",
                 s.loss, "mean_probability", s.mean_probability, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> sigmoid_cross_entropy_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t rows : {1, 2, 3, 7, 15, 16, 17, 50, 63, 64, 65, 257}) {
    for (const double target : {0.0, 0.1, 0.9, 1.0})
      add({.rows = rows, .target = target, .layout = static_cast<Layout>(rows % 3)});
  }
  for (const double range : {1e-8, 1e-3, 30.0, 1e4})
    for (const double target : {0.0, 0.7, 1.0}) add({.models = 3, .rows = 101, .target = target, .range = range});
  for (const bool accumulate : {false, true}) {
    for (const bool in_place : {false, true}) {
      for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned})
        add({.models = 3,
             .rows = 23,
             .target = 0.9,
             .weight = 0.35,
             .accumulate = accumulate,
             .in_place = in_place,
             .layout = layout});
    }
  }
  for (int wanted = 0; wanted < 16; ++wanted)
    add({.models = 2,
         .rows = 9,
         .target = 1.0,
         .dlogit = (wanted & 1) != 0,
         .per_row = (wanted & 2) != 0,
         .loss = (wanted & 4) != 0,
         .mean_probability = (wanted & 8) != 0,
         .layout = Layout::strided});
  add({.rows = 65543, .target = 0.0, .perf = true});
  add({.models = 64, .rows = 50, .target = 1.0, .perf = true});
  return cases;
}

const bool registered = register_op("sigmoid_cross_entropy", sigmoid_cross_entropy_cases());

TEST(grad, sigmoid_cross_entropy) {
  for (const double target : {0.0, 0.3, 1.0}) {
    for (double logit = -6.0; logit <= 6.0; logit += 0.37) {  // 0 / 0 would be a failure: both sides are compared
      const double h = 1e-5;
      const double difference = (loss_of(logit + h, target) - loss_of(logit - h, target)) / (2.0 * h);
      EXPECT_NEAR(slope_of(logit, target), difference, 1e-9) << "logit " << logit << " target " << target;
    }
  }
}

}  // namespace
}  // namespace cugad::test
