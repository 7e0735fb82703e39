#include <gtest/gtest.h>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, n = 1;
  AdamForm form = AdamForm::standard;
  double learning_rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  std::int64_t step = 1, step_counter = -1, step_stride = 1;  ///< counter: negative for none
  double rate_scale = -1.0;                                   ///< negative for none
  double gradient_range = 1.0;                                ///< of new gradients, relative to the moments' history
  double average_decay = -1.0;                                ///< negative: no average
  bool model_scale = false, squared_norm = false;
  bool shared_gradient = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// Of share * (g^2 - v) + v: the share, the square, the difference, the product, the sum. Three if products are fused
/// into sums; the CPU baseline, without a fused multiply-add, takes all five.
constexpr double moment_roundings = 5.0;
/// Values below the smallest normal number may be taken for zero.
constexpr double subnormal = 0x1p-126;

std::int64_t counted_step(const Shape& shape) {
  return shape.step + shape.step_stride * std::max<std::int64_t>(shape.step_counter, 0);
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, n] = std::array{shape.models, shape.n};
  const auto number = [&] { return random.normal(); };
  auto& parameter = problem.state("parameter", models, 1, n).fill(number);
  auto& gradient = problem.input("gradient", models, 1, n, shape.shared_gradient);
  gradient.fill([&] { return random.chance(0.05) ? 0.0 : random.normal() * shape.gradient_range; });
  const bool fresh = counted_step(shape) == 1;
  auto& first = problem.state("first_moment", models, 1, n).fill([&] { return fresh ? 0.0 : random.normal(); });
  auto& second =
      problem.state("second_moment", models, 1, n).fill([&] { return fresh ? 0.0 : std::abs(random.normal()); });
  auto& average = problem.state("average", models, 1, n).fill(number);
  auto& model_scale = problem.input("model_scale", models, 1, 1);
  for (std::int64_t m = 0; m < models; ++m) model_scale.set(m, 0, 0, m == 0 ? 0.5f : m == 1 ? 0.0f : 1.0f);
  auto& squared_norm = problem.output("squared_norm", models, 1, 1);
  auto& counter = problem.input<std::uint32_t>("step_counter", 1, 1, 1, true);
  counter.set(0, 0, 0, static_cast<std::uint32_t>(std::max<std::int64_t>(shape.step_counter, 0)));
  auto& rate_scale = problem.input("rate_scale", 1, 1, 1, true);
  rate_scale.set(0, 0, 0, shape.rate_scale < 0.0 ? 1.0f : static_cast<float>(shape.rate_scale));

  const double beta1 = shape.beta1, beta2 = shape.beta2;
  const double epsilon = static_cast<float>(shape.epsilon), decay = static_cast<float>(shape.average_decay);
  const auto t = static_cast<double>(counted_step(shape));
  for (std::int64_t m = 0; m < models; ++m) {
    const double scale = shape.model_scale ? model_scale.get(m, 0, 0) : 1.0;
    const double rate = scale * static_cast<double>(static_cast<float>(shape.learning_rate)) * rate_scale.get(0, 0, 0);
    double norm = 0.0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double g = gradient.get(m, 0, i), w = parameter.get(m, 0, i);
      norm += g * g;
      if (scale == 0.0) {
        parameter.expect(m, 0, i, w, 0.0);
        first.expect(m, 0, i, first.get(m, 0, i), 0.0);
        second.expect(m, 0, i, second.get(m, 0, i), 0.0);
        average.expect(m, 0, i, average.get(m, 0, i), 0.0);
        continue;
      }
      const double m_old = beta1 * first.get(m, 0, i), m_new = (1.0 - beta1) * g;
      const double v = beta2 * second.get(m, 0, i) + (1.0 - beta2) * g * g;
      const double m_sum = m_old + m_new, m_terms = std::abs(m_old) + std::abs(m_new);
      const double correction1 = 1.0 - std::pow(beta1, t), correction2 = 1.0 - std::pow(beta2, t);
      const double per_moment = shape.form == AdamForm::standard
                                    ? rate / correction1 / (std::sqrt(v / correction2) + epsilon)
                                    : rate * std::sqrt(correction2) / correction1 / (std::sqrt(v) + epsilon);
      const double step = per_moment * m_sum;
      // The step is as uncertain as its terms: they may cancel in the first moment.
      const double step_bound = 8.0 * eps * per_moment * m_terms + eps * std::abs(w);
      first.expect(m, 0, i, m_sum, moment_roundings * eps * m_terms + subnormal);
      second.expect(m, 0, i, v, moment_roundings * eps * v + subnormal);
      parameter.expect(m, 0, i, w - step, step_bound);
      const double a = average.get(m, 0, i);
      if (shape.average_decay >= 0.0) {
        const double kept = decay * a, added = (1.0 - decay) * (w - step);
        average.expect(m, 0, i, kept + added,
                       moment_roundings * eps * (std::abs(kept) + std::abs(added)) + (1.0 - decay) * step_bound);
      } else {
        average.expect(m, 0, i, a, 0.0);
      }
    }
    squared_norm.expect(m, 0, 0, norm, 2.0 * eps * norm);
  }
  if (!shape.squared_norm) squared_norm.expect_unchanged();

  problem.same_bits_where_fused = true;  // the norm too: its double sums differ far below a float's last bit
  problem.bytes = 4.0 * 7.0 * static_cast<double>(models * n);
  problem.call = [&, shape](Call& call) {
    Adam args;
    args.parameter = parameter.view(call.slice);
    args.gradient = gradient.view(call.slice);
    args.first_moment = first.view(call.slice);
    args.second_moment = second.view(call.slice);
    if (shape.average_decay >= 0.0) {
      args.average = average.view(call.slice);
      args.average_decay = static_cast<float>(shape.average_decay);
    }
    if (shape.model_scale) args.model_scale = model_scale.view(call.slice);
    if (shape.squared_norm) args.squared_norm = squared_norm.view(call.slice);
    args.form = shape.form;
    args.learning_rate = static_cast<float>(shape.learning_rate);
    args.beta1 = shape.beta1;
    args.beta2 = shape.beta2;
    args.epsilon = static_cast<float>(shape.epsilon);
    args.step = shape.step;
    if (shape.step_counter >= 0) args.step_counter = counter.view().data;
    args.step_stride = shape.step_stride;
    if (shape.rate_scale >= 0.0) args.rate_scale = rate_scale.view().data;
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "n", s.n, "form", s.form == AdamForm::standard ? "standard" : "epsilon_hat",
                 "rate", s.learning_rate, "beta1", s.beta1, "beta2", s.beta2, "epsilon", s.epsilon, "step", s.step,
                 "counter", s.step_counter, "stride", s.step_stride, "rate_scale", s.rate_scale, "gradient_range",
                 s.gradient_range, "average_decay", s.average_decay, "model_scale", s.model_scale, "squared_norm",
                 s.squared_norm, "shared_gradient", s.shared_gradient, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> adam_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const AdamForm form : {AdamForm::standard, AdamForm::epsilon_hat}) {
    for (const std::int64_t n : {0, 1, 3, 7, 15, 16, 17, 31, 33, 64, 257}) {
      for (const std::int64_t step : {1, 2, 1000})
        add({.n = n, .form = form, .step = step, .squared_norm = true, .layout = static_cast<Layout>(n % 3)});
    }
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
      add({.models = 3,
           .n = 101,
           .form = form,
           .learning_rate = 1e-5,
           .beta1 = 0.5,
           .step = 7,
           .average_decay = 0.999,
           .model_scale = true,
           .squared_norm = true,
           .layout = layout});
      add({.models = 3,
           .n = 53,
           .form = form,
           .step = 3,
           .step_counter = 20,
           .average_decay = 0.5,
           .shared_gradient = true,
           .layout = layout});
    }
    for (const double epsilon : {1e-8, 1e-3})
      add({.n = 301, .form = form, .epsilon = epsilon, .step = 1, .gradient_range = 1e-7});
    // No momentum (WGAN-GP), little momentum, a gradient far below or above its history, an average without memory.
    for (const double beta1 : {0.0, 0.1, 0.5, 0.9})
      for (const double range : {1e-4, 1.0, 1e3})
        add({.n = 211, .form = form, .beta1 = beta1, .beta2 = 0.99, .step = 11, .gradient_range = range});
    for (const double decay : {0.0, 0.05, 1.0}) add({.n = 100, .form = form, .step = 5, .average_decay = decay});
    for (const double beta2 : {0.0, 0.2, 0.9})
      add({.n = 100, .form = form, .beta2 = beta2, .step = 5, .gradient_range = 0.1});
    for (const auto& [beta1, beta2] : {std::pair{0.3, 0.2}, {0.9, 0.2}, {0.3, 0.999}})
      for (const double average_decay : {-1.0, 0.3, 0.99})
        for (const bool squared_norm : {false, true})
          for (const Layout layout : {Layout::contiguous, Layout::misaligned})
            add({.n = 103,
                 .form = form,
                 .beta1 = beta1,
                 .beta2 = beta2,
                 .step = 5,
                 .gradient_range = 0.1,
                 .average_decay = average_decay,
                 .squared_norm = squared_norm,
                 .layout = layout});
    add({.n = 77, .form = form, .step = 1, .step_counter = 0});
    add({.models = 2, .n = 45, .form = form, .step = 2, .step_counter = 9, .step_stride = 3, .rate_scale = 0.3});
    add({.n = 45, .form = form, .step = 1, .rate_scale = 0.0, .average_decay = 0.9});
    // The powers in the bias corrections have underflowed to 0.
    add({.n = 45, .form = form, .step = 5, .step_counter = 4000000000, .step_stride = 5});
  }
  add({.n = 65543, .step = 4, .average_decay = 0.999, .squared_norm = true, .perf = true});
  add({.models = 3, .n = 100001, .step = 4, .perf = true});
  // Enough work for a second thread.
  add({.models = 3, .n = 850000, .step = 4, .squared_norm = true});
  return cases;
}

const bool registered = register_op("adam", adam_cases());

}  // namespace
}  // namespace cugad::test
