#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, kernels = 1, dimensions = 1;
  double deviation = 0.5;
  bool shared_projection = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// The projection of one model in float64.
struct Projection {
  std::int64_t rows, kernels, dimensions;
  std::vector<double> value;

  double& at(std::int64_t i, std::int64_t b, std::int64_t c) {
    return value[static_cast<std::size_t>((i * kernels + b) * dimensions + c)];
  }
  double distance(std::int64_t i, std::int64_t j, std::int64_t b) {
    double sum = 0.0;
    for (std::int64_t c = 0; c < dimensions; ++c) sum += std::abs(at(i, b, c) - at(j, b, c));
    return sum;
  }
};

/// exp(-distance) as the contract bounds it: distances beyond 87 count as 87.
double nearness(double distance) { return std::exp(-std::min(distance, 87.0)); }

/// Some cells are equal: the derivative of |.| at 0 is part of the contract.
TypedTensor<float>& make_projection(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  auto& projection =
      problem.input("projection", shape.models, shape.rows, shape.kernels * shape.dimensions, shape.shared_projection);
  return projection.fill([&] {
    return random.chance(0.3) ? 0.25 * static_cast<double>(random.integer(-2, 2)) : shape.deviation * random.normal();
  });
}

Projection projection_of(const TypedTensor<float>& tensor, std::int64_t m, const Shape& shape) {
  Projection projection = {shape.rows, shape.kernels, shape.dimensions, {}};
  for (std::int64_t r = 0; r < tensor.rows; ++r)
    for (std::int64_t c = 0; c < tensor.columns; ++c) projection.value.push_back(tensor.get(m, r, c));
  return projection;
}

/// Relative rounding of a sum over rows.
double sum_rounding_of(std::int64_t rows, double more) {
  return (static_cast<double>(rows) / 16.0 + more) * eps + 0x1p-22;
}

void build_forward(Problem& problem, const Shape& shape) {
  auto& projection = make_projection(problem, shape);
  auto& out = problem.output("out", shape.models, shape.rows, shape.kernels);
  for (std::int64_t m = 0; m < shape.models; ++m) {
    Projection reference = projection_of(projection, m, shape);
    for (std::int64_t i = 0; i < shape.rows; ++i)
      for (std::int64_t b = 0; b < shape.kernels; ++b) {
        double sum = 0.0, moved = 0.0;
        for (std::int64_t j = 0; j < shape.rows; ++j) {
          const double distance = reference.distance(i, j, b), near = nearness(distance);
          sum += near;
          moved += near * std::min(distance, 87.0);
        }
        out.expect(m, i, b, sum,
                   sum_rounding_of(shape.rows, 8.0) * sum + static_cast<double>(shape.dimensions + 2) * eps * moved);
      }
  }
  problem.flops = 3.0 * static_cast<double>(shape.models * shape.rows * shape.rows * shape.kernels * shape.dimensions);
  problem.same_bits_on_all_backends = true;
  problem.call = [&, shape](Call& call) {
    MinibatchDiscrimination args;
    args.projection = projection.view(call.slice);
    args.kernels = static_cast<std::int32_t>(shape.kernels);
    args.out = out.view(call.slice);
    call(args);
  };
}

/// dM of one element, and the sums of its terms' sizes and of how far the distances move them.
struct Pull {
  double value = 0.0, terms = 0.0, moved = 0.0;
};

template <class Gradient>
Pull pull_of(Projection& projection, Gradient&& gradient, std::int64_t i, std::int64_t b, std::int64_t c) {
  Pull pull;
  for (std::int64_t j = 0; j < projection.rows; ++j) {
    const double difference = projection.at(i, b, c) - projection.at(j, b, c);
    const double sign = difference > 0.0 ? 1.0 : difference < 0.0 ? -1.0 : 0.0;
    const double distance = projection.distance(i, j, b), near = nearness(distance);
    pull.value -= (gradient(i, b) + gradient(j, b)) * near * sign;
    const double terms = (std::abs(gradient(i, b)) + std::abs(gradient(j, b))) * near;
    pull.terms += terms;
    pull.moved += terms * std::min(distance, 87.0);
  }
  return pull;
}

void build_backward(Problem& problem, const Shape& shape) {
  auto& projection = make_projection(problem, shape);
  auto& upstream = problem.input("out_gradient", shape.models, shape.rows, shape.kernels);
  upstream.fill([&] { return problem.random.normal(); });
  auto& out = problem.output("projection_gradient", shape.models, shape.rows, shape.kernels * shape.dimensions);
  for (std::int64_t m = 0; m < shape.models; ++m) {
    Projection reference = projection_of(projection, m, shape);
    const auto gradient = [&](std::int64_t i, std::int64_t b) { return static_cast<double>(upstream.get(m, i, b)); };
    for (std::int64_t i = 0; i < shape.rows; ++i)
      for (std::int64_t b = 0; b < shape.kernels; ++b)
        for (std::int64_t c = 0; c < shape.dimensions; ++c) {
          const Pull pull = pull_of(reference, gradient, i, b, c);
          out.expect(m, i, b * shape.dimensions + c, pull.value,
                     sum_rounding_of(shape.rows, 10.0) * pull.terms +
                         static_cast<double>(shape.dimensions + 2) * eps * pull.moved);
        }
  }
  problem.flops = 6.0 * static_cast<double>(shape.models * shape.rows * shape.rows * shape.kernels * shape.dimensions);
  problem.same_bits_on_all_backends = true;
  problem.call = [&, shape](Call& call) {
    MinibatchDiscriminationBackward args;
    args.projection = projection.view(call.slice);
    args.out_gradient = upstream.view(call.slice);
    args.kernels = static_cast<std::int32_t>(shape.kernels);
    args.projection_gradient = out.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s, void (*build)(Problem&, const Shape&)) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "kernels", s.kernels, "dimensions", s.dimensions, "deviation",
                 s.deviation, "shared_projection", s.shared_projection, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s, build](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> cases_of(void (*build)(Problem&, const Shape&)) {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape, build)); };
  // Around the tiles of 16 rows and of 32 dimensions.
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 33}) {
    for (const std::int64_t dimensions : {1, 3, 16, 17})
      add({.rows = rows,
           .kernels = 3,
           .dimensions = dimensions,
           .layout = static_cast<Layout>((rows + dimensions) % 3)});
  }
  for (const std::int64_t dimensions : {31, 32, 33, 65})
    add({.models = 2, .rows = 18, .kernels = 2, .dimensions = dimensions, .deviation = 0.1, .layout = Layout::strided});
  for (const bool shared : {false, true})
    add({.models = 3, .rows = 21, .kernels = 5, .dimensions = 6, .shared_projection = shared});
  add({.models = 2, .rows = 50, .kernels = 2, .dimensions = 96, .deviation = 0.05});
  add({.rows = 20, .kernels = 2, .dimensions = 4, .deviation = 50.0});  // rows out of each other's sight
  add({.rows = 20, .kernels = 2, .dimensions = 4, .deviation = 0.0});
  add({.models = 2, .rows = 0, .kernels = 2, .dimensions = 4});
  add({.models = 2, .rows = 4, .kernels = 3, .dimensions = 0});
  add({.rows = 300, .kernels = 2, .dimensions = 3, .deviation = 2.0});
  add({.models = 2, .rows = 64, .kernels = 32, .dimensions = 8, .perf = true});
  return cases;
}

const bool forward_registered = register_op("minibatch_discrimination", cases_of(build_forward));
const bool backward_registered = register_op("minibatch_discrimination_backward", cases_of(build_backward));

/// Central differences of sum g . out against the formula that the parity reference uses.
TEST(grad, minibatch_discrimination_backward) {
  Random random(hash("grad minibatch_discrimination_backward"));
  Projection projection = {5, 2, 3, std::vector<double>(30)};
  for (double& value : projection.value) value = random.normal();
  std::vector<double> upstream(10);
  for (double& value : upstream) value = random.normal();
  const auto gradient = [&](std::int64_t i, std::int64_t b) { return upstream[static_cast<std::size_t>(i * 2 + b)]; };
  const auto loss = [&] {
    double sum = 0.0;
    for (std::int64_t i = 0; i < 5; ++i)
      for (std::int64_t j = 0; j < 5; ++j)
        for (std::int64_t b = 0; b < 2; ++b) sum += gradient(i, b) * nearness(projection.distance(i, j, b));
    return sum;
  };
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t b = 0; b < 2; ++b)
      for (std::int64_t c = 0; c < 3; ++c) {
        double& cell = projection.at(i, b, c);
        const double h = 1e-6, kept = cell, expected = pull_of(projection, gradient, i, b, c).value;
        cell = kept + h;
        const double above = loss();
        cell = kept - h;
        const double below = loss();
        cell = kept;
        EXPECT_NEAR(expected, (above - below) / (2.0 * h), 1e-7);
      }
}

}  // namespace
}  // namespace cugad::test
