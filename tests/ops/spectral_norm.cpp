#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "tests/ops/golden.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, out = 1, in = 1;
  int iterations = 1;
  bool update = true;
  bool zero = false;  ///< the weight is
  bool shared_weight = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// A vector and how far rounding may have moved each of its elements.
struct Vector {
  std::vector<double> value, error;
  explicit Vector(std::int64_t size) : value(static_cast<std::size_t>(size)), error(value.size()) {}
  std::size_t size() const { return value.size(); }
};

double norm_of(const std::vector<double>& x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
}

/// x W, or x W^T: `at` gives the factor of input i in output j.
template <class At>
Vector multiply(const Vector& x, std::int64_t outputs, At&& at) {
  Vector y(outputs);
  for (std::size_t j = 0; j < y.size(); ++j) {
    double terms = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double factor = at(i, j);
      y.value[j] += x.value[i] * factor;
      y.error[j] += x.error[i] * std::abs(factor);
      terms += std::abs(x.value[i] * factor);
    }
    y.error[j] += static_cast<double>(x.size() + 2) * eps * terms;
  }
  return y;
}

Vector normalised(const Vector& x) {
  Vector y(static_cast<std::int64_t>(x.size()));
  const double norm = norm_of(x.value) + 1e-12, moved = norm_of(x.error) / norm;
  for (std::size_t i = 0; i < x.size(); ++i) {
    y.value[i] = x.value[i] / norm;
    y.error[i] = (x.error[i] / norm + std::abs(y.value[i]) * moved) * (1.0 + 2.0 * moved) + eps * std::abs(y.value[i]);
  }
  return y;
}

struct Reference {
  Vector v, left;
  double sigma, sigma_error;
};

Reference iterate(const TypedTensor<float>& weight, const TypedTensor<float>& u, std::int64_t m, int iterations) {
  const auto cell = [&](std::size_t o, std::size_t c) {
    return static_cast<double>(weight.get(m, static_cast<std::int64_t>(o), static_cast<std::int64_t>(c)));
  };
  Reference result = {Vector(weight.columns), Vector(weight.rows), 0.0, 0.0};
  for (std::size_t o = 0; o < result.left.size(); ++o) {
    result.left.value[o] = u.get(m, 0, static_cast<std::int64_t>(o));
  }
  for (int i = 0; i < iterations; ++i) {
    result.v = normalised(multiply(result.left, weight.columns, cell));
    const Vector image = multiply(result.v, weight.rows, [&](std::size_t c, std::size_t o) { return cell(o, c); });
    result.left = normalised(image);
    result.sigma = std::inner_product(image.value.begin(), image.value.end(), result.left.value.begin(), 0.0);
    result.sigma_error = 2.0 * norm_of(image.error) + 2.0 * eps * result.sigma;
  }
  return result;
}

void expect_vector(TypedTensor<float>& tensor, std::int64_t m, const Vector& vector) {
  for (std::size_t i = 0; i < vector.size(); ++i)
    tensor.expect(m, 0, static_cast<std::int64_t>(i), vector.value[i], vector.error[i]);
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, out, in] = std::array{shape.models, shape.out, shape.in};
  auto& weight = problem.input("weight", models, out, in, shape.shared_weight);
  auto& u = shape.update ? problem.state("u", models, 1, out) : problem.input("u", models, 1, out);
  u.fill([&] { return random.normal(); });
  auto& v = problem.output("v", models, 1, in);
  auto& sigma = problem.output("sigma", models, 1, 1);
  auto& normalised_weight = problem.output("normalised", models, out, in);
  auto& left = problem.output("left", models, 1, out);
  // One direction dominates, as in trained weights; it keeps the bounds of several iterations tight.
  for (std::int64_t m = 0; m < (shape.shared_weight ? 1 : models); ++m) {
    std::vector<double> direction(static_cast<std::size_t>(in));
    for (double& value : direction) value = random.normal();
    for (std::int64_t o = 0; o < out; ++o) {
      const double size = random.normal();
      for (std::int64_t c = 0; c < in; ++c)
        weight.set(m, o, c,
                   shape.zero
                       ? 0.0f
                       : static_cast<float>(size * direction[static_cast<std::size_t>(c)] + 0.3 * random.normal()));
    }
  }

  for (std::int64_t m = 0; m < models; ++m) {
    const Reference reference = iterate(weight, u, m, shape.iterations);
    expect_vector(v, m, reference.v);
    expect_vector(left, m, reference.left);
    if (shape.update && !shape.zero) expect_vector(u, m, reference.left);
    sigma.expect(m, 0, 0, reference.sigma, reference.sigma_error);
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t c = 0; c < in; ++c) {
        const double value = shape.zero ? 0.0 : weight.get(m, o, c) / reference.sigma;
        const double relative = shape.zero ? 0.0 : 1.01 * reference.sigma_error / reference.sigma + 2.0 * eps;
        normalised_weight.expect(m, o, c, value, relative * std::abs(value));
      }
  }
  const bool empty = out * in == 0;  // then the op does nothing
  if ((shape.zero || empty) && shape.update) u.expect_unchanged();
  if (empty) {
    for (TypedTensor<float>* tensor : {&v, &sigma, &left}) tensor->expect_unchanged();
  }

  problem.flops = 4.0 * shape.iterations * static_cast<double>(models * out * in);
  problem.same_bits_where_fused = true;
  problem.call = [&, shape](Call& call) {
    SpectralNorm args;
    args.weight = weight.view(call.slice);
    args.u = u.view(call.slice);
    args.iterations = shape.iterations;
    args.update = shape.update;
    args.v = v.view(call.slice);
    args.sigma = sigma.view(call.slice);
    args.normalised = normalised_weight.view(call.slice);
    args.left = left.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "out", s.out, "in", s.in, "iterations", s.iterations, "update",
                              s.update, "zero", s.zero, "shared_weight", s.shared_weight, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> spectral_norm_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  // Around the 32 interleaved sums in both directions, and a single unit.
  for (const std::int64_t out : {1, 7, 32, 33, 65}) {
    for (const std::int64_t in : {1, 5, 31, 32, 33, 70})
      add({.out = out, .in = in, .layout = static_cast<Layout>((out + in) % 3)});
  }
  for (const int iterations : {1, 2, 3})
    for (const bool update : {false, true})
      add({.models = 3,
           .out = 19,
           .in = 23,
           .iterations = iterations,
           .update = update,
           .shared_weight = iterations == 2,
           .layout = static_cast<Layout>(iterations % 3)});
  for (const bool update : {false, true}) add({.models = 2, .out = 9, .in = 11, .update = update, .zero = true});
  add({.models = 2, .out = 0, .in = 4});
  add({.models = 2, .out = 4, .in = 0});
  add({.out = 130, .in = 1100});  // more columns than a block has threads
  add({.models = 40, .out = 128, .in = 130, .perf = true});
  return cases;
}

const bool registered = register_op("spectral_norm", spectral_norm_cases());

/// The order of another implementation's power iteration; its weight is [in, out].
TEST(golden, spectral_norm) {
  const Arrays golden = read_golden("spectral_norm");
  const std::int64_t in = golden.at("W").shape[0], out = golden.at("W").shape[1];
  Problem problem(0, Layout::contiguous);
  auto& weight = problem.input("weight", 1, out, in);
  auto& u = problem.state("u", 1, 1, out);
  auto& v = problem.output("v", 1, 1, in);
  auto& sigma = problem.output("sigma", 1, 1, 1);
  auto& normalised_weight = problem.output("normalised", 1, out, in);
  auto& left = problem.output("left", 1, 1, out);
  fill_from(weight, golden.at("W"), true);
  fill_from(u, golden.at("u"));
  expect_from(u, golden.at("u1"), 1e-5);
  expect_from(left, golden.at("u1"), 1e-5);
  expect_from(v, golden.at("v"), 1e-5);
  expect_from(sigma, golden.at("sigma"), 1e-5);
  expect_from(normalised_weight, golden.at("W_sn"), 1e-5, true);
  problem.call = [&](Call& call) {
    SpectralNorm args;
    args.weight = weight.view();
    args.u = u.view();
    args.v = v.view();
    args.sigma = sigma.view();
    args.normalised = normalised_weight.view();
    args.left = left.view();
    call(args);
  };
  expect_match(problem, "spectral_norm");
}

}  // namespace
}  // namespace cugad::test
