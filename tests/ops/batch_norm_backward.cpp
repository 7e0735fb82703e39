#include <gtest/gtest.h>

#include <array>

#include "tests/ops/batch_norm_reference.hpp"
#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1, reference_rows = 0;
  Activation activation = Activation::identity;
  double slope = 0.0, dropout = 0.0;
  double offset = 0.5, deviation = 1.0;
  bool accumulate = false;
  bool dscale = true, dshift = true;
  bool shared_x = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

constexpr float epsilon = 1e-3f;

/// An output in the activation's range; zeros (the derivative there is part of the contract) and dropped units.
float stored_output(Random& random, const Shape& shape) {
  if (shape.dropout > 0.0 && random.chance(shape.dropout)) return -0.0f;
  if (random.chance(0.1)) return 0.0f;
  const double h = activate(shape.activation, shape.slope, random.uniform(-3.0, 3.0)) / (1.0 - shape.dropout);
  return static_cast<float>(h == 0.0 ? 0.0 : h);
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  const auto rate = static_cast<float>(shape.dropout), slope = static_cast<float>(shape.slope);
  const double kept = 1.0 / (1.0 - static_cast<double>(rate));
  const bool needs_y = shape.activation != Activation::identity || shape.dropout > 0.0;
  auto& x = problem.input("x", models, rows, columns, shape.shared_x);
  x.fill([&] { return shape.offset + shape.deviation * random.normal(); });
  auto& scale = problem.input("scale", models, 1, columns).fill([&] { return random.uniform(-2.0, 2.0); });
  auto& y = problem.input("y", models, rows, columns).fill([&] { return stored_output(random, shape); });
  auto& mean = problem.input("mean", models, 1, columns);
  auto& inverse = problem.input("inverse_deviation", models, 1, columns);
  auto& dy = problem.state("dy", models, rows, columns).fill([&] { return random.normal(); });
  auto& dx = problem.output("dx", models, rows, columns);
  const auto sum_tensor = [&](const char* name) -> TypedTensor<float>& {
    return shape.accumulate ? problem.state(name, models, 1, columns).fill([&] { return random.normal(); })
                            : problem.output(name, models, 1, columns);
  };
  auto& dscale = sum_tensor("dscale");
  auto& dshift = sum_tensor("dshift");

  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t c = 0; c < columns; ++c) {
      std::vector<double> values, dh, dh_terms;
      for (std::int64_t r = 0; r < rows; ++r) values.push_back(x.get(m, r, c));
      NormalisedColumn column = normalise_column(values, epsilon, shape.reference_rows);
      // The op's inputs are rounded, and the reference uses the rounded values.
      mean.set(m, 0, c, static_cast<float>(column.mean));
      inverse.set(m, 0, c, static_cast<float>(1.0 / std::sqrt(column.variance + static_cast<double>(epsilon))));
      const double given = inverse.get(m, 0, c);
      column.mean = mean.get(m, 0, c);
      column.variance = 1.0 / (given * given) - static_cast<double>(epsilon);
      normalise_values(column, values, epsilon, shape.reference_rows);
      for (std::int64_t r = 0; r < rows; ++r) {
        const bool dropped = shape.dropout > 0.0 && is_dropped(y.get(m, r, c));
        const double h = y.get(m, r, c) / kept, above = dy.get(m, r, c);
        dh.push_back(dropped ? 0.0 : above * kept * activation_derivative(shape.activation, slope, h));
        // 1 - y^2 and y (1 - y) are sums themselves: their terms are bounded by 1.
        dh_terms.push_back(is_curved(shape.activation) && !dropped ? std::abs(kept * above) : std::abs(dh.back()));
        dy.expect(m, r, c, dh.back(), 5.0 * eps * dh_terms.back());
      }
      const ColumnGradient gradient =
          normalise_backward(values, column, scale.get(m, 0, c), epsilon, shape.reference_rows, dh, dh_terms);
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto at = static_cast<std::size_t>(r);
        dx.expect(m, r, c, gradient.dx[at], 24.0 * eps * gradient.dx_terms[at]);
      }
      const auto expect_sum = [&](TypedTensor<float>& tensor, double sum, double terms) {
        const double before = shape.accumulate ? tensor.get(m, 0, c) : 0.0;
        tensor.expect(m, 0, c, before + sum, 16.0 * eps * (std::abs(before) + terms));
      };
      expect_sum(dscale, gradient.dscale, gradient.dscale_terms);
      expect_sum(dshift, gradient.dshift, gradient.dshift_terms);
    }
  if (!shape.dscale) dscale.expect_unchanged();
  if (!shape.dshift) dshift.expect_unchanged();

  problem.bytes = 20.0 * static_cast<double>(models * rows * columns);
  problem.same_bits_where_fused = true;
  problem.call = [&, shape, rate, slope, needs_y](Call& call) {
    BatchNormBackward args;
    args.x = x.view(call.slice);
    args.scale = scale.view(call.slice);
    if (needs_y) args.y = y.view(call.slice);
    args.mean = mean.view(call.slice);
    args.inverse_deviation = inverse.view(call.slice);
    args.epsilon = epsilon;
    args.reference_rows = static_cast<std::int32_t>(shape.reference_rows);
    args.activation = shape.activation;
    args.slope = slope;
    args.dropout_rate = rate;
    args.dy = dy.view(call.slice);
    args.dx = dx.view(call.slice);
    if (shape.dscale) args.dscale = dscale.view(call.slice);
    if (shape.dshift) args.dshift = dshift.view(call.slice);
    args.accumulate = shape.accumulate;
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "columns", s.columns, "reference_rows", s.reference_rows,
                 "activation", name_of(s.activation), "slope", s.slope, "dropout", s.dropout, "offset", s.offset,
                 "deviation", s.deviation, "accumulate", s.accumulate, "dscale", s.dscale, "dshift", s.dshift,
                 "shared_x", s.shared_x, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> batch_norm_backward_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 50}) {
    for (const std::int64_t columns : {1, 7, 16, 17, 64, 65})
      add({.rows = rows, .columns = columns, .layout = static_cast<Layout>((rows + columns) % 3)});
  }
  for (const std::int64_t reference : {1, 2, 17, 39, 40})
    for (const std::int64_t columns : {1, 18, 70})
      add({.models = 2,
           .rows = 40,
           .columns = columns,
           .reference_rows = reference,
           .accumulate = columns == 18,
           .layout = static_cast<Layout>((reference + columns) % 3)});
  for (const Activation activation :
       {Activation::identity, Activation::relu, Activation::leaky_relu, Activation::sigmoid, Activation::tanh}) {
    for (const std::int64_t reference : {0, 9})
      for (const double dropout : {0.0, 0.2})
        add({.models = 3,
             .rows = 21,
             .columns = 19,
             .reference_rows = reference,
             .activation = activation,
             .slope = activation == Activation::leaky_relu ? 0.2 : 0.0,
             .dropout = dropout,
             .accumulate = reference > 0,
             .shared_x = dropout > 0.0,
             .layout = dropout > 0.0 ? Layout::strided : Layout::misaligned});
  }
  for (const std::int64_t reference : {0, 20}) {
    add({.rows = 33, .columns = 5, .reference_rows = reference, .offset = 100.0});
    add({.rows = 33, .columns = 5, .reference_rows = reference, .offset = 3.7, .deviation = 0.0});
    add({.rows = 33, .columns = 5, .reference_rows = reference, .offset = 0.0, .deviation = 1e4});
  }
  for (int wanted = 0; wanted < 4; ++wanted)
    add({.models = 2,
         .rows = 9,
         .columns = 6,
         .dscale = (wanted & 1) != 0,
         .dshift = (wanted & 2) != 0,
         .layout = Layout::strided});
  for (const Activation activation : {Activation::relu, Activation::leaky_relu, Activation::sigmoid, Activation::tanh})
    for (const double dropout : {0.0, 0.2})  // many rows for each thread
      for (const std::int64_t reference : {0, 40})
        add({.rows = 150,
             .columns = 37,
             .reference_rows = reference,
             .activation = activation,
             .slope = activation == Activation::leaky_relu ? 0.2 : 0.0,
             .dropout = dropout});
  add({.models = 3, .rows = 3, .columns = 0});
  add({.models = 3, .rows = 700, .columns = 150, .activation = Activation::relu});  // enough for a second thread
  add({.models = 8, .rows = 64, .columns = 128, .activation = Activation::relu, .perf = true});
  return cases;
}

const bool registered = register_op("batch_norm_backward", batch_norm_backward_cases());

/// Central differences against the formulas that the parity reference uses.
TEST(grad, batch_norm_backward) {
  Random random(hash("grad batch_norm_backward"));
  for (const std::int64_t reference : {0, 1, 3, 6, 7}) {
    std::vector<double> x(7), dy(7);
    for (double& value : x) value = 0.5 + random.normal();
    for (double& value : dy) value = random.normal();
    double scale = 1.3, shift = -0.4;
    const auto loss = [&] {
      const NormalisedColumn column = normalise_column(x, epsilon, reference);
      double sum = 0.0;
      for (std::size_t r = 0; r < x.size(); ++r) sum += dy[r] * std::tanh(scale * column.value[r] + shift);
      return sum;
    };
    const auto difference = [&](double& parameter) {
      const double h = 1e-5, kept = parameter;
      parameter = kept + h;
      const double above = loss();
      parameter = kept - h;
      const double below = loss();
      parameter = kept;
      return (above - below) / (2.0 * h);
    };
    const NormalisedColumn column = normalise_column(x, epsilon, reference);
    std::vector<double> dh;
    for (std::size_t r = 0; r < x.size(); ++r) {
      const double h = std::tanh(scale * column.value[r] + shift);
      dh.push_back(dy[r] * activation_derivative(Activation::tanh, 0.0, h));
    }
    const ColumnGradient gradient = normalise_backward(x, column, scale, epsilon, reference, dh, dh);
    for (std::size_t r = 0; r < x.size(); ++r)
      EXPECT_NEAR(gradient.dx[r], difference(x[r]), 1e-7) << "reference_rows " << reference << " row " << r;
    EXPECT_NEAR(gradient.dscale, difference(scale), 1e-7);
    EXPECT_NEAR(gradient.dshift, difference(shift), 1e-7);
  }
}

}  // namespace
}  // namespace cugad::test
