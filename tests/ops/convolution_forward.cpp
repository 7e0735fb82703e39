#include <gtest/gtest.h>

#include "tests/ops/convolution_case.hpp"

namespace cugad::test {
namespace {

struct Shape {
  Geometry geometry;
  std::int64_t models = 1, rows = 1;
  Activation activation = Activation::identity;
  double slope = 0.0;
  bool bias = true;
  bool shared = false;  ///< x, by all models
  double dropout = 0.0;
  bool tangent = false;  ///< derivative_of is given
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
  Precision precision = Precision::fp32;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const Geometry& g = shape.geometry;
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-4, 4)) : random.normal(); };
  const std::int64_t models = shape.models, rows = shape.rows, in = g.from.channels, out = g.to.channels,
                     columns = g.columns_to();
  auto& x = problem.input("x", models, rows, g.columns_from(), shape.shared).by_item().fill(number);
  auto& weight = problem.input("weight", models, out, g.fan_in()).fill(number);
  auto& bias = problem.input("bias", models, 1, out).fill(number);
  auto& y = problem.output("y", models, rows, columns).by_item();
  auto& derivative_of = problem.input("derivative_of", models, rows, columns).by_item();
  derivative_of.fill([&] { return stored_output(random, shape.activation, shape.slope, shape.dropout, shape.exact); });
  const RandomKey key{random.next(), RandomPurpose::dropout, 3, 17, nullptr};
  const auto rate = static_cast<float>(shape.dropout);
  const double scale = 1.0 / (1.0 - static_cast<double>(rate)), slope = static_cast<float>(shape.slope);
  // A batch's dropout words are numbered by row, so a slice of rows is another draw.
  if (shape.dropout > 0.0 && !shape.tangent) x.rows_per_item = y.rows_per_item = derivative_of.rows_per_item = 0;
  y.negative_zero_matters = shape.dropout > 0.0 && !shape.tangent;

  const double rounding =
      sum_rounding(shape.precision) * static_cast<double>(g.fan_in() + 2) * eps + operand_rounding(shape.precision);
  std::vector<double> sums(static_cast<std::size_t>(columns)), magnitudes(sums.size());
  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        const auto at = static_cast<std::size_t>(c);
        sums[at] = shape.bias && !shape.tangent ? bias.get(m, 0, c % out) : 0.0;
        magnitudes[at] = std::abs(sums[at]);
      }
      g.for_connections([&](std::int64_t from, std::int64_t to, std::int64_t tap) {
        for (std::int64_t o = 0; o < out; ++o)
          for (std::int64_t c = 0; c < in; ++c) {
            const double term = static_cast<double>(x.get(m, r, from * in + c)) * weight.get(m, o, tap * in + c);
            sums[static_cast<std::size_t>(to * out + o)] += term;
            magnitudes[static_cast<std::size_t>(to * out + o)] += std::abs(term);
          }
      });
      for (std::int64_t c = 0; c < columns; ++c) {
        const double sum = sums[static_cast<std::size_t>(c)];
        const double before = rounding * magnitudes[static_cast<std::size_t>(c)];
        if (shape.tangent) {
          const float h = derivative_of.get(m, r, c);
          const bool dropped = shape.dropout > 0.0 && is_dropped(h);
          const double d = dropped ? 0.0 : scale * activation_derivative(shape.activation, slope, h / scale);
          // The factor act'(h) * scale takes at most six roundings, relative to its largest term: scale.
          const double factor_error = dropped || d == 0.0 ? 0.0 : 8.0 * eps * scale * std::abs(sum);
          y.expect(m, r, c, d * sum, std::abs(d) * before + factor_error);
          continue;
        }
        const std::uint32_t word = random_word(key, m, static_cast<std::uint64_t>(r * columns + c));
        const bool dropped = static_cast<double>(word) < static_cast<double>(rate) * 0x1p32;
        const double value = scale * activate(shape.activation, slope, sum);
        const double own = 4.0 * eps * std::abs(value) + (is_curved(shape.activation) ? 4.0 * eps : 0.0) * scale;
        const double scaling = shape.dropout > 0.0 ? 3.0 * eps * std::abs(value) : 0.0;  // 1 - rate, 1 / it, product
        y.expect(m, r, c, dropped ? -0.0 : (value == 0.0 ? 0.0 : value),
                 dropped ? 0.0 : scale * before + own + scaling);
      }
    }

  problem.flops = 2.0 * static_cast<double>(models * rows * g.smaller_pixels() * g.fan_in() * out);
  problem.bytes = 4.0 * static_cast<double>(models * (rows * (g.columns_from() + columns) + out * g.fan_in()));
  problem.same_bits_where_fused = shape.precision == Precision::fp32;
  problem.call = [&, shape, key, rate](Call& call) {
    call.context.use_precision(shape.precision);
    ConvolutionForward args;
    args.from = shape.geometry.from;
    args.to = shape.geometry.to;
    args.window = shape.geometry.window;
    args.x = x.view(call.slice);
    args.weight = weight.view(call.slice);
    if (shape.bias) args.bias = bias.view(call.slice);
    args.y = y.view(call.slice);
    args.activation = shape.activation;
    args.slope = static_cast<float>(shape.slope);
    args.dropout = {rate, key};
    args.dropout.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
    if (shape.tangent) args.derivative_of = derivative_of.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "image", s.geometry.name(), "activation", name_of(s.activation),
                 "slope", s.slope, "bias", s.bias, "shared", s.shared, "dropout", s.dropout, "tangent", s.tangent,
                 "layout", name_of(s.layout), "precision", cugad::name_of(s.precision));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> convolution_forward_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  constexpr Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                        Activation::sigmoid, Activation::tanh};
  // Every geometry, with another activation, layout and batch each; a tangent pass and dropout for every third.
  int i = 0;
  for (const Geometry& geometry : small_geometries()) {
    Shape shape{.geometry = geometry,
                .models = 1 + i % 2,
                .rows = 1 + i % 4,
                .activation = activations[i % 5],
                .slope = 0.1,
                .bias = i % 7 != 0,
                .shared = i % 3 == 0,
                .dropout = i % 3 == 1 ? 0.2 : 0.0,
                .layout = static_cast<Layout>(i % 3)};
    add(shape);
    shape.tangent = true;
    shape.dropout = i % 2 == 0 ? 0.0 : 0.5;
    if (i % 3 != 1) add(shape);
    for (const Precision precision : {Precision::tf32, Precision::bf16}) {
      if (i % 4 == 0) add({.geometry = geometry, .rows = 3, .precision = precision});
      if (i % 4 == 1) add({.geometry = geometry, .rows = 2, .exact = true, .precision = precision});
    }
    if (i % 2 == 0) {
      add({.geometry = geometry,
           .models = 2,
           .rows = 3,
           .activation = Activation::leaky_relu,
           .slope = 0.5,
           .dropout = i % 4 == 0 ? 0.5 : 0.0,
           .exact = true,
           .layout = static_cast<Layout>(i % 3)});
    }
    ++i;
  }
  // No rows; more pixels than are multiplied at once, over images; channels around the widths of vectors and tiles.
  const Geometry first{{28, 28, 1}, {14, 14, 32}, {4, 4, 2, 1, 1}};
  const Geometry second{{14, 14, 32}, {7, 7, 64}, {4, 4, 2, 1, 1}};
  add({.geometry = first, .rows = 0});
  add({.geometry = first, .rows = 3, .activation = Activation::leaky_relu, .slope = 0.2});
  add({.geometry = first.transposed(), .rows = 2, .activation = Activation::tanh});
  add({.geometry = second, .rows = 1, .activation = Activation::leaky_relu, .slope = 0.2, .perf = true});
  add({.geometry = second.transposed(), .rows = 1, .activation = Activation::relu, .perf = true});
  // Large tiles, on chips with few multiprocessors; lines of a narrow target in several bands.
  const Geometry wide{{14, 14, 16}, {7, 7, 64}, {4, 4, 2, 1, 1}};
  for (const Layout layout : {Layout::contiguous, Layout::strided}) {
    add({.geometry = wide, .rows = 6, .activation = Activation::relu, .dropout = 0.2, .layout = layout});
    add({.geometry = {{7, 7, 8}, {14, 14, 64}, {4, 4, 2, 1, 1, true}}, .rows = 3, .layout = layout});
  }
  add({.geometry = {{38, 40, 32}, {76, 80, 3}, {4, 4, 2, 1, 1, true}}, .rows = 1, .activation = Activation::tanh});
  for (const std::int32_t channels : {8, 15, 17, 64, 65}) {
    const Geometry geometry{{6, 5, channels}, {3, 3, 130 - channels}, {3, 3, 2, 1, 1}};
    const Shape shape{.geometry = channels % 2 == 0 ? geometry : geometry.transposed(),
                      .rows = 2,
                      .dropout = channels == 65 ? 0.2 : 0.0,
                      .layout = static_cast<Layout>(channels % 3)};
    add(shape);
  }
  return cases;
}

const bool registered = register_op("convolution_forward", convolution_forward_cases());

}  // namespace
}  // namespace cugad::test
