#include <gtest/gtest.h>

#include <array>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, out = 1, in = 1;
  bool zero = false;  ///< sigma is
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-3, 3)) : random.normal(); };
  const auto [models, out, in] = std::array{shape.models, shape.out, shape.in};
  auto& normalised = problem.input("normalised", models, out, in).fill(number);
  auto& left = problem.input("left", models, 1, out).fill(number);
  auto& v = problem.input("v", models, 1, in).fill(number);
  auto& sigma = problem.input("sigma", models, 1, 1);
  sigma.fill([&] { return shape.zero ? 0.0 : shape.exact ? 4.0 : random.uniform(0.5, 3.0); });
  auto& gradient = problem.state("gradient", models, out, in).fill(number);

  for (std::int64_t m = 0; m < models; ++m) {
    double share = 0.0, share_terms = 0.0;
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t c = 0; c < in; ++c) {
        const double term = static_cast<double>(gradient.get(m, o, c)) * normalised.get(m, o, c);
        share += term;
        share_terms += std::abs(term);
      }
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t c = 0; c < in; ++c) {
        const double before = gradient.get(m, o, c), pull = static_cast<double>(left.get(m, 0, o)) * v.get(m, 0, c);
        const double divisor = sigma.get(m, 0, 0);
        gradient.expect(m, o, c, shape.zero ? 0.0 : (before - share * pull) / divisor,
                        shape.zero ? 0.0 : 6.0 * eps * (std::abs(before) + std::abs(pull) * share_terms) / divisor);
      }
  }
  problem.bytes = 16.0 * static_cast<double>(models * out * in);
  problem.same_bits_where_fused = true;
  problem.call = [&](Call& call) {
    SpectralNormBackward args;
    args.normalised = normalised.view(call.slice);
    args.left = left.view(call.slice);
    args.v = v.view(call.slice);
    args.sigma = sigma.view(call.slice);
    args.gradient = gradient.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "out", s.out, "in", s.in, "zero", s.zero, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> spectral_norm_backward_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t out : {1, 7, 32, 33, 65}) {
    for (const std::int64_t in : {1, 5, 31, 33, 70}) {
      const auto layout = static_cast<Layout>((out + in) % 3);
      add({.models = 2, .out = out, .in = in, .layout = layout});
      if (out == 7 || in == 33) add({.models = 2, .out = out, .in = in, .exact = true, .layout = layout});
    }
  }
  add({.models = 2, .out = 9, .in = 11, .zero = true});
  add({.models = 2, .out = 0, .in = 4});
  add({.models = 2, .out = 4, .in = 0});
  add({.models = 40, .out = 128, .in = 130, .perf = true});
  return cases;
}

const bool registered = register_op("spectral_norm_backward", spectral_norm_backward_cases());

/// Central differences of sum dN . (W / sigma(W)) with sigma(W) = u W v^T, against the contract's formula.
TEST(grad, spectral_norm_backward) {
  Random random(hash("grad spectral_norm_backward"));
  constexpr std::size_t out = 4, in = 3;
  std::array<double, out * in> weight, upstream;
  std::array<double, out> u;
  std::array<double, in> v;
  for (double& value : weight) value = random.normal() + 1.0;
  for (double& value : upstream) value = random.normal();
  for (double& value : u) value = random.uniform(0.2, 1.0);
  for (double& value : v) value = random.uniform(0.2, 1.0);
  const auto sigma_of = [&] {
    double sum = 0.0;
    for (std::size_t i = 0; i < weight.size(); ++i) sum += u[i / in] * weight[i] * v[i % in];
    return sum;
  };
  const auto loss = [&] {
    double sum = 0.0;
    for (std::size_t i = 0; i < weight.size(); ++i) sum += upstream[i] * weight[i];
    return sum / sigma_of();
  };
  const double sigma = sigma_of(), share = loss();
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const double h = 1e-5, kept = weight[i];
    weight[i] = kept + h;
    const double above = loss();
    weight[i] = kept - h;
    const double below = loss();
    weight[i] = kept;
    EXPECT_NEAR((upstream[i] - share * u[i / in] * v[i % in]) / sigma, (above - below) / (2.0 * h), 1e-7);
  }
}

}  // namespace
}  // namespace cugad::test
