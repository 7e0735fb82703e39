#include <gtest/gtest.h>

#include "tests/ops/convolution_case.hpp"

namespace cugad::test {
namespace {

struct Shape {
  Geometry geometry;
  std::int64_t models = 1, rows = 1;
  Activation activation = Activation::identity;
  double slope = 0.0;
  double dropout = 0.0;
  double scale = 1.0;
  double zero_rows = 0.0;  ///< share of the rows of dY that are 0 throughout
  bool accumulate = false;
  bool shared = false;  ///< x, by all models
  bool dx = true, dweight = true, dbias = true;
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
  Precision precision = Precision::fp32;
};

/// A sum and the sum of its terms' magnitudes.
struct Sum {
  double value = 0.0, magnitude = 0.0;
  void add(double term, double size) {
    value += term;
    magnitude += std::abs(size);
  }
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const Geometry& g = shape.geometry;
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-4, 4)) : random.normal(); };
  const std::int64_t models = shape.models, rows = shape.rows, in = g.from.channels, out = g.to.channels,
                     columns = g.columns_to();
  const bool needs_y = shape.activation != Activation::identity || shape.dropout > 0.0;
  const auto rate = static_cast<float>(shape.dropout);
  const double dropout_scale = 1.0 / (1.0 - static_cast<double>(rate)), slope = static_cast<float>(shape.slope);
  auto& x = problem.input("x", models, rows, g.columns_from(), shape.shared).fill(number);
  auto& weight = problem.input("weight", models, out, g.fan_in()).fill(number);
  auto& y = problem.input("y", models, rows, columns).fill([&] {
    return stored_output(random, shape.activation, shape.slope, shape.dropout, shape.exact);
  });
  auto& dy = problem.state("dy", models, rows, columns).fill(number);
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      if (!random.chance(shape.zero_rows)) continue;
      for (std::int64_t c = 0; c < columns; ++c) dy.set(m, r, c, c % 3 == 1 ? -0.0f : 0.0f);
    }
  auto& dx = problem.output("dx", models, rows, g.columns_from());
  auto& dweight = shape.accumulate ? problem.state("dweight", models, out, g.fan_in()).fill(number)
                                   : problem.output("dweight", models, out, g.fan_in());
  auto& dbias =
      shape.accumulate ? problem.state("dbias", models, 1, out).fill(number) : problem.output("dbias", models, 1, out);

  const double more = sum_rounding(shape.precision), rounding = operand_rounding(shape.precision);
  std::vector<double> dh(static_cast<std::size_t>(columns)), terms_of_dh(dh.size());
  for (std::int64_t m = 0; m < models; ++m) {
    std::vector<Sum> weights(static_cast<std::size_t>(out * g.fan_in())), biases(static_cast<std::size_t>(out));
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        const auto at = static_cast<std::size_t>(c);
        const float h = y.get(m, r, c);
        const double given = dy.get(m, r, c);
        const bool dropped = shape.dropout > 0.0 && is_dropped(h);
        dh[at] =
            dropped ? 0.0 : given * dropout_scale * activation_derivative(shape.activation, slope, h / dropout_scale);
        // 1 - y^2 and y (1 - y) are sums themselves: their terms are bounded by 1.
        terms_of_dh[at] = is_curved(shape.activation) && !dropped ? dropout_scale * given : dh[at];
        dy.expect(m, r, c, dh[at], 5.0 * eps * std::abs(terms_of_dh[at]));
        biases[static_cast<std::size_t>(c % out)].add(dh[at], terms_of_dh[at]);
      }
      std::vector<Sum> inputs(static_cast<std::size_t>(g.columns_from()));
      g.for_connections([&](std::int64_t from, std::int64_t to, std::int64_t tap) {
        for (std::int64_t o = 0; o < out; ++o) {
          const auto at = static_cast<std::size_t>(to * out + o);
          for (std::int64_t c = 0; c < in; ++c) {
            const double w = weight.get(m, o, tap * in + c), input = x.get(m, r, from * in + c);
            inputs[static_cast<std::size_t>(from * in + c)].add(dh[at] * w, terms_of_dh[at] * w);
            weights[static_cast<std::size_t>(o * g.fan_in() + tap * in + c)].add(dh[at] * input,
                                                                                 terms_of_dh[at] * input);
          }
        }
      });
      const double bound = more * static_cast<double>(g.taps() * out + 4) * eps + rounding;
      for (std::int64_t c = 0; c < g.columns_from(); ++c) {
        const Sum& sum = inputs[static_cast<std::size_t>(c)];
        dx.expect(m, r, c, sum.value, bound * sum.magnitude);
      }
    }
    const double scale = static_cast<float>(shape.scale);
    const auto expect = [&](auto& tensor, std::int64_t row, std::int64_t column, const Sum& sum, std::int64_t terms,
                            double factor, double rounding_of_operands) {
      const double before = shape.accumulate ? static_cast<double>(tensor.get(m, row, column)) : 0.0;
      const double bound = factor * static_cast<double>(terms + 4 + (shape.accumulate ? 1 : 0)) * eps;
      tensor.expect(m, row, column, before + scale * sum.value,
                    (bound + rounding_of_operands) * (std::abs(before) + std::abs(scale) * sum.magnitude));
    };
    for (std::int64_t o = 0; o < out; ++o) {
      expect(dbias, 0, o, biases[static_cast<std::size_t>(o)], rows * (columns / out), 1.0, 0.0);
      for (std::int64_t k = 0; k < g.fan_in(); ++k) {
        expect(dweight, o, k, weights[static_cast<std::size_t>(o * g.fan_in() + k)], rows * g.smaller_pixels(), more,
               rounding);
      }
    }
  }
  if (!shape.dx) dx.expect_unchanged();
  if (!shape.dweight) dweight.expect_unchanged();
  if (!shape.dbias) dbias.expect_unchanged();

  problem.flops = 4.0 * static_cast<double>(models * rows * g.smaller_pixels() * g.fan_in() * out);
  problem.bytes =
      4.0 * static_cast<double>(models * (2 * rows * g.columns_from() + 2 * out * g.fan_in() + 3 * rows * columns));
  problem.same_bits_where_fused = shape.precision == Precision::fp32;
  problem.call = [&, shape, rate, needs_y](Call& call) {
    call.context.use_precision(shape.precision);
    ConvolutionBackward args;
    args.from = shape.geometry.from;
    args.to = shape.geometry.to;
    args.window = shape.geometry.window;
    args.x = x.view(call.slice);
    args.weight = weight.view(call.slice);
    if (needs_y) args.y = y.view(call.slice);
    args.dy = dy.view(call.slice);
    if (shape.dx) args.dx = dx.view(call.slice);
    if (shape.dweight) args.dweight = dweight.view(call.slice);
    if (shape.dbias) args.dbias = dbias.view(call.slice);
    args.activation = shape.activation;
    args.slope = static_cast<float>(shape.slope);
    args.dropout_rate = rate;
    args.scale = static_cast<float>(shape.scale);
    args.accumulate = shape.accumulate;
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "image", s.geometry.name(), "activation", name_of(s.activation),
                 "slope", s.slope, "dropout", s.dropout, "scale", s.scale, "zero_rows", s.zero_rows, "accumulate",
                 s.accumulate, "shared", s.shared, "dx", s.dx, "dweight", s.dweight, "dbias", s.dbias, "layout",
                 name_of(s.layout), "precision", cugad::name_of(s.precision));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> convolution_backward_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  constexpr Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                        Activation::sigmoid, Activation::tanh};
  // Every geometry, with another activation, layout, batch and choice of gradients each.
  int i = 0;
  for (const Geometry& geometry : small_geometries()) {
    const auto layout = static_cast<Layout>(i % 3);
    add({.geometry = geometry,
         .models = 1 + i % 2,
         .rows = 1 + i % 4,
         .activation = activations[i % 5],
         .slope = 0.1,
         .dropout = i % 3 == 1 ? 0.2 : 0.0,
         .scale = i % 4 == 0 ? -3.7 : 1.0,
         .accumulate = i % 4 >= 2,
         .shared = i % 5 == 0,
         .layout = layout});
    for (const Precision precision : {Precision::tf32, Precision::bf16}) {
      if (i % 4 == 2) add({.geometry = geometry, .rows = 3, .precision = precision});
      if (i % 4 == 3) add({.geometry = geometry, .rows = 2, .exact = true, .precision = precision});
    }
    if (i % 2 == 1) {
      add({.geometry = geometry,
           .models = 2,
           .rows = 3,
           .activation = Activation::leaky_relu,
           .slope = 0.5,
           .dropout = i % 4 == 1 ? 0.5 : 0.0,
           .scale = 0.25,
           .accumulate = i % 3 == 0,
           .exact = true,
           .layout = layout});
    }
    ++i;
  }
  const Geometry odd{{7, 9, 3}, {4, 5, 4}, {3, 3, 2, 1, 1}};
  for (int wanted = 0; wanted < 8; ++wanted) {
    add({.geometry = wanted % 2 == 0 ? odd : odd.transposed(),
         .models = 2,
         .rows = 2,
         .activation = Activation::relu,
         .dx = (wanted & 1) != 0,
         .dweight = (wanted & 2) != 0,
         .dbias = (wanted & 4) != 0,
         .layout = Layout::strided});
  }
  // Rows without a gradient; no rows; several chunks of rows, in which some have no gradient.
  for (const double share : {0.4, 1.0}) {
    for (const Geometry& geometry : {odd, odd.transposed()}) {
      add({.geometry = geometry, .models = 2, .rows = 7, .zero_rows = share, .accumulate = share == 1.0});
    }
  }
  add({.geometry = odd, .rows = 0});
  add({.geometry = odd.transposed(), .rows = 0, .accumulate = true});
  const Geometry first{{28, 28, 1}, {14, 14, 32}, {4, 4, 2, 1, 1}};
  const Geometry second{{14, 14, 32}, {7, 7, 64}, {4, 4, 2, 1, 1}};
  const Geometry dense{{1, 1, 3}, {1, 1, 5}, {1, 1, 1, 0, 0}};
  add({.geometry = first, .rows = 7, .activation = Activation::leaky_relu, .slope = 0.2});
  add({.geometry = first.transposed(), .rows = 7, .activation = Activation::tanh, .zero_rows = 0.3});
  add({.geometry = second, .rows = 1, .activation = Activation::leaky_relu, .slope = 0.2, .perf = true});
  add({.geometry = second.transposed(), .rows = 1, .activation = Activation::relu, .perf = true});
  add({.geometry = dense, .models = 2, .rows = 1030, .zero_rows = 0.3, .accumulate = true, .shared = true});
  add({.geometry = odd, .rows = 120, .dweight = false});
  // Large tiles, on chips with few multiprocessors.
  const Geometry wide{{14, 14, 16}, {7, 7, 64}, {4, 4, 2, 1, 1}};
  for (const Layout layout : {Layout::contiguous, Layout::strided}) {
    for (const Geometry& geometry : {wide, wide.transposed()}) {
      add({.geometry = geometry, .rows = 3, .layout = layout});
      add({.geometry = geometry, .rows = 2, .layout = layout, .precision = Precision::tf32});
    }
  }
  for (const std::int32_t channels : {8, 15, 17, 64, 65}) {
    const Geometry geometry{{6, 5, channels}, {3, 3, 130 - channels}, {3, 3, 2, 1, 1}};
    add({.geometry = channels % 2 == 0 ? geometry : geometry.transposed(),
         .rows = 2,
         .layout = static_cast<Layout>(channels % 3)});
  }
  return cases;
}

const bool registered = register_op("convolution_backward", convolution_backward_cases());

}  // namespace
}  // namespace cugad::test
