#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1;
  double weight = 1.0;
  bool dlogit = true, loss = true;
  bool accumulate = false;
  bool in_place = false;  ///< dlogit is the logit buffer
  bool exact = false;     ///< small integers; the number of rows must be a power of two
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows] = std::array{shape.models, shape.rows};
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-9, 9)) : random.normal(); };
  auto& logit = shape.in_place ? problem.state("logit", models, rows, 1) : problem.input("logit", models, rows, 1);
  logit.fill(number);
  auto& dlogit = problem.output("dlogit", models, rows, 1);
  auto& loss =
      shape.accumulate ? problem.state("loss", models, 1, 1).fill(number) : problem.output("loss", models, 1, 1);
  const double weight = static_cast<float>(shape.weight), count = static_cast<double>(rows);
  for (std::int64_t m = 0; m < models && rows > 0; ++m) {
    double sum = 0.0, terms = 0.0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const double l = logit.get(m, r, 0), slope = weight / count;
      sum += l;
      terms += std::abs(l);
      dlogit.expect(m, r, 0, slope, eps * std::abs(slope));
      if (shape.in_place) logit.expect(m, r, 0, slope, eps * std::abs(slope));
    }
    // The mean is rounded once, and once more if it is accumulated.
    const double mean = weight * sum / count, before = shape.accumulate ? loss.get(m, 0, 0) : 0.0;
    loss.expect(m, 0, 0, before + mean,
                2.0 * eps * (std::abs(before) + std::abs(mean)) + 0x1p-53 * std::abs(weight) * terms);
  }
  if (!shape.dlogit || shape.in_place) dlogit.expect_unchanged();
  if (!shape.loss || rows == 0) loss.expect_unchanged();

  problem.same_bits_on_all_backends = true;  // the mean too: double sums differ far below a float's last bit
  problem.bytes = 8.0 * static_cast<double>(models * rows);
  problem.call = [&, shape](Call& call) {
    LinearLoss args;
    args.logit = logit.view(call.slice);
    args.weight = static_cast<float>(shape.weight);
    if (shape.dlogit) args.dlogit = shape.in_place ? logit.view(call.slice) : dlogit.view(call.slice);
    if (shape.loss) args.loss = loss.view(call.slice);
    args.accumulate = shape.accumulate;
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "weight", s.weight, "dlogit", s.dlogit, "loss",
                              s.loss, "accumulate", s.accumulate, "in_place", s.in_place, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> linear_loss_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const std::int64_t rows : {0, 1, 2, 31, 50, 255, 256, 257, 2047, 2048, 2049, 4097})
      add({.models = 2, .rows = rows, .weight = -1.0, .layout = layout});
    add({.models = 3, .rows = 50, .weight = 0.3, .accumulate = true, .layout = layout});
    add({.models = 3, .rows = 2500, .weight = 0.3, .accumulate = true, .in_place = true, .layout = layout});
    add({.models = 3, .rows = 4096, .weight = -2.0, .exact = true, .layout = layout});
  }
  add({.rows = 40, .dlogit = false});
  add({.rows = 3000, .loss = false});
  add({.models = 0, .rows = 40});
  add({.models = 300, .rows = 3});
  add({.rows = 65543, .perf = true});
  return cases;
}

const bool registered = register_op("linear_loss", linear_loss_cases());

}  // namespace
}  // namespace cugad::test
