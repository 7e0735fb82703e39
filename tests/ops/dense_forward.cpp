#include <gtest/gtest.h>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"
#include "tests/ops/same_products.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, in = 1, out = 1;
  Activation activation = Activation::identity;
  double slope = 0.0;
  bool bias = true;
  bool shared_x = false;
  double dropout = 0.0;
  bool tangent = false;         ///< derivative_of is given
  bool negative_zeros = false;  ///< every sum before the activation is -0.0
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
  Precision precision = Precision::fp32;
};

/// A stored output h of an earlier pass: in the activation's range, zeros and dropped units included.
float stored_output(Random& random, const Shape& shape) {
  const double scale = 1.0 / (1.0 - shape.dropout);
  if (shape.dropout > 0.0 && random.chance(shape.dropout)) return -0.0f;
  if (random.chance(0.1)) return 0.0f;
  if (shape.exact) return static_cast<float>(random.integer(-2, 2));
  const double h = activate(shape.activation, shape.slope, random.uniform(-2.0, 2.0)) * scale;
  return static_cast<float>(h == 0.0 ? 0.0 : h);  // a kept unit is never -0.0
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-4, 4)) : random.normal(); };
  const auto [models, rows, in, out] = std::array{shape.models, shape.rows, shape.in, shape.out};
  auto& x = problem.input("x", models, rows, in, shape.shared_x).by_item().fill(number);
  auto& weight = problem.input("weight", models, out, in).fill(number);
  auto& bias = problem.input("bias", models, 1, out).fill(number);
  if (shape.negative_zeros) {
    x.fill([] { return 0.0; });
    weight.fill([] { return -1.0; });
    bias.fill([] { return -0.0; });
  }
  auto& y = problem.output("y", models, rows, out).by_item();
  auto& derivative_of = problem.input("derivative_of", models, rows, out).by_item();
  derivative_of.fill([&] { return stored_output(random, shape); });
  const RandomKey key{random.next(), RandomPurpose::dropout, 3, 17, nullptr};
  const auto rate = static_cast<float>(shape.dropout);
  const double scale = 1.0 / (1.0 - static_cast<double>(rate)), slope = static_cast<float>(shape.slope);
  // A batch's dropout words are numbered by row, so a slice of rows is another draw.
  if (shape.dropout > 0.0 && !shape.tangent) x.rows_per_item = y.rows_per_item = derivative_of.rows_per_item = 0;
  y.negative_zero_matters = shape.dropout > 0.0 && !shape.tangent;

  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t o = 0; o < out; ++o) {
        double sum = shape.bias && !shape.tangent ? bias.get(m, 0, o) : 0.0, magnitude = std::abs(sum);
        for (std::int64_t k = 0; k < in; ++k) {
          const double term = static_cast<double>(x.get(m, r, k)) * weight.get(m, o, k);
          sum += term;
          magnitude += std::abs(term);
        }
        const double before =
            (sum_rounding(shape.precision) * static_cast<double>(in + 2) * eps + operand_rounding(shape.precision)) *
            magnitude;
        if (shape.tangent) {
          const float h = derivative_of.get(m, r, o);
          const bool dropped = shape.dropout > 0.0 && is_dropped(h);
          const double d = dropped ? 0.0 : scale * activation_derivative(shape.activation, slope, h / scale);
          // The factor act'(h) * scale takes at most six roundings, relative to its largest term: scale.
          const double factor_error = dropped || d == 0.0 ? 0.0 : 8.0 * eps * scale * std::abs(sum);
          y.expect(m, r, o, d * sum, std::abs(d) * before + factor_error);
        } else {
          const std::uint32_t word = random_word(key, m, static_cast<std::uint64_t>(r * out + o));
          const bool dropped = static_cast<double>(word) < static_cast<double>(rate) * 0x1p32;
          const double value = scale * activate(shape.activation, slope, sum);
          const double own = 4.0 * eps * std::abs(value) + (is_curved(shape.activation) ? 4.0 * eps : 0.0) * scale;
          const double scaling = shape.dropout > 0.0 ? 3.0 * eps * std::abs(value) : 0.0;  // 1 - rate, 1 / it, product
          // Kept zeros are +0.0.
          y.expect(m, r, o, dropped ? -0.0 : (value == 0.0 ? 0.0 : value),
                   dropped ? 0.0 : scale * before + own + scaling);
        }
      }

  problem.flops = 2.0 * static_cast<double>(models * rows * in * out);
  problem.bytes = 4.0 * static_cast<double>(models * (rows * in + in * out + rows * out));
  problem.same_bits_where_fused = same_products(shape.precision);
  problem.call = [&, shape, key, rate](Call& call) {
    call.context.use_precision(shape.precision);
    DenseForward args;
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
  one.parameters = parameters("models", s.models, "rows", s.rows, "in", s.in, "out", s.out, "activation",
                              name_of(s.activation), "slope", s.slope, "bias", s.bias, "shared_x", s.shared_x,
                              "dropout", s.dropout, "tangent", s.tangent, "negative_zeros", s.negative_zeros, "layout",
                              name_of(s.layout), "precision", cugad::name_of(s.precision));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

/// Tensor cores: tails of every kind, all activations, tiles of both sizes; and exact cases must stay exact.
void add_rounded_cases(std::vector<Case>& cases, Precision precision) {
  const auto add = [&](Shape shape) {
    shape.precision = precision;
    cases.push_back(make_case(shape));
  };
  for (const std::int64_t in : {1, 7, 8, 16, 17, 121}) {
    for (const std::int64_t out : {1, 4, 8, 33, 65}) {
      add({.rows = in % 2 == 0 ? 5 : 66,
           .in = in,
           .out = out,
           .activation = Activation::leaky_relu,
           .slope = 0.1,
           .layout = static_cast<Layout>((in + out) % 3)});
    }
  }
  for (const Activation activation : {Activation::identity, Activation::relu, Activation::sigmoid, Activation::tanh}) {
    add({.models = 2, .rows = 50, .in = 36, .out = 40, .activation = activation, .shared_x = true, .dropout = 0.2});
    add({.models = 2, .rows = 9, .in = 19, .out = 21, .activation = activation, .dropout = 0.5, .tangent = true});
  }
  add({.rows = 200, .in = 40, .out = 256, .activation = Activation::relu, .perf = true});
  for (const std::int64_t out : {5, 40, 100})
    add({.models = 2,
         .rows = 70,
         .in = 65,
         .out = out,
         .activation = Activation::leaky_relu,
         .slope = 0.25,
         .dropout = out == 5 ? 0.5 : 0.0,
         .exact = true,
         .layout = Layout::strided});
  add({.rows = 200, .in = 33, .out = 256, .activation = Activation::relu, .exact = true});
}

std::vector<Case> dense_forward_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  constexpr Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                        Activation::sigmoid, Activation::tanh};
  // Tails: around the tiles of 6 rows and of 16 and 64 columns, primes, nothing.
  for (const std::int64_t rows : {0, 1, 5, 6, 7, 13}) {
    for (const std::int64_t out : {0, 1, 3, 4, 5, 15, 16, 17, 63, 64, 65}) {
      const std::int64_t in = rows == 7 ? 64 : rows == 13 ? 17 : 11;
      add({.rows = rows,
           .in = in,
           .out = out,
           .activation = Activation::relu,
           .layout = out % 2 == 0 ? Layout::contiguous : Layout::strided});
    }
  }
  for (const std::int64_t in : {1, 2, 15, 16, 17, 121})
    add({.rows = 6, .in = in, .out = 33, .layout = Layout::misaligned});
  // Every activation, with dropout and as a tangent pass; populations; one data set for all models.
  for (const Activation activation : activations) {
    const double slope = activation == Activation::leaky_relu ? 0.1 : 0.0;
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
      add({.models = 3, .rows = 7, .in = 19, .out = 21, .activation = activation, .slope = slope, .layout = layout});
      add({.models = 3,
           .rows = 9,
           .in = 8,
           .out = 18,
           .activation = activation,
           .slope = slope,
           .shared_x = true,
           .dropout = 0.2,
           .layout = layout});
      add({.models = 3,
           .rows = 7,
           .in = 19,
           .out = 35,
           .activation = activation,
           .slope = slope,
           .tangent = true,
           .layout = layout});
      add({.models = 2,
           .rows = 7,
           .in = 19,
           .out = 35,
           .activation = activation,
           .slope = slope,
           .dropout = 0.5,
           .tangent = true,
           .layout = layout});
    }
    add({.rows = 50, .in = 121, .out = 64, .activation = activation, .slope = slope, .bias = false});
  }
  for (const double dropout : {0.2, 0.75})
    add({.rows = 257, .in = 64, .out = 128, .activation = Activation::leaky_relu, .slope = 0.1, .dropout = dropout});
  // Rows longer than any block of words; kept units that an activation leaves at -0.0.
  add({.rows = 3, .in = 5, .out = 1500, .dropout = 0.3, .layout = Layout::strided});
  // Rows that start on multiples of 16 bytes and end between them.
  add({.rows = 9, .in = 9, .out = 21, .dropout = 0.5, .layout = Layout::strided});
  for (const Activation activation : activations)
    add({.rows = 7,
         .in = 5,
         .out = 19,
         .activation = activation,
         .slope = 0.1,
         .dropout = 0.5,
         .negative_zeros = true});
  // A sum that is -0.0 stays so: a ragged end of k is not filled up with zeros.
  for (const std::int64_t in : {5, 16, 21}) add({.rows = 3, .in = in, .out = 7, .negative_zeros = true});
  // One output: the CPU lays up to 64 rows across.
  for (const std::int64_t rows : {7, 50, 64, 65, 150}) {
    for (const std::int64_t in : {1, 17, 121})
      add({.models = 2, .rows = rows, .in = in, .out = 1, .layout = static_cast<Layout>((rows + in) % 3)});
    add({.models = 2, .rows = rows, .in = 19, .out = 1, .activation = Activation::sigmoid, .bias = false});
    add({.models = 2, .rows = rows, .in = 19, .out = 1, .activation = Activation::relu, .dropout = 0.5});
    add({.rows = rows, .in = 19, .out = 1, .activation = Activation::leaky_relu, .slope = 0.1, .tangent = true});
    add({.rows = rows, .in = 19, .out = 1, .negative_zeros = true});
  }
  // Long sums: more panels of k than a tile keeps in shared memory.
  for (const Layout layout : {Layout::contiguous, Layout::misaligned}) {
    for (const std::int64_t out : {2, 4, 40}) add({.models = 2, .rows = 35, .in = 702, .out = out, .layout = layout});
  }
  // The KDD networks at batch 50, a wide layer, many rows.
  add({.models = 3,
       .rows = 50,
       .in = 121,
       .out = 256,
       .activation = Activation::leaky_relu,
       .slope = 0.1,
       .shared_x = true,
       .perf = true});
  add({.rows = 50, .in = 32, .out = 64, .activation = Activation::relu, .perf = true});
  add({.rows = 50, .in = 64, .out = 128, .activation = Activation::relu, .perf = true});
  add({.rows = 50, .in = 128, .out = 121, .perf = true});
  add({.rows = 50, .in = 256, .out = 128, .activation = Activation::leaky_relu, .slope = 0.1, .perf = true});
  add({.rows = 50, .in = 128, .out = 1, .perf = true});
  add({.rows = 1024, .in = 256, .out = 256, .activation = Activation::relu, .perf = true});
  add({.rows = 65543, .in = 3, .out = 2, .activation = Activation::tanh});
  // Enough work for a second thread.
  add({.models = 3, .rows = 101, .in = 256, .out = 256, .activation = Activation::relu, .dropout = 0.2});
  // Small integers: equal to the bit.
  for (const Activation activation : {Activation::identity, Activation::relu, Activation::leaky_relu}) {
    for (const std::int64_t rows : {1, 6, 13}) {
      for (const std::int64_t out : {1, 5, 17, 64, 100}) {
        const Layout layout = rows == 1 ? Layout::contiguous : rows == 6 ? Layout::strided : Layout::misaligned;
        add({.models = 2,
             .rows = rows,
             .in = 65,
             .out = out,
             .activation = activation,
             .slope = out == 17 ? 0.5 : 0.25,
             .dropout = out == 5 ? 0.5 : 0.0,
             .exact = true,
             .layout = layout});
      }
    }
    add({.models = 3,
         .rows = 7,
         .in = 23,
         .out = 19,
         .activation = activation,
         .slope = 0.25,
         .dropout = 0.75,
         .tangent = true,
         .exact = true,
         .layout = Layout::strided});
  }
  // The narrow tile and all that may come after its sums.
  for (const Activation activation : activations) {
    for (const std::int64_t out : {1, 3, 4}) {
      for (const double dropout : {0.0, 0.2}) {
        Shape shape{.rows = 33,
                    .in = 129,
                    .out = out,
                    .activation = activation,
                    .slope = 0.1,
                    .dropout = dropout,
                    .layout = out == 4 ? Layout::contiguous : Layout::strided};
        add(shape);
        shape.tangent = true;
        add(shape);
      }
    }
  }
  // Large tiles, on chips with few multiprocessors, and all operations after the sums.
  for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
    for (const Activation activation : activations) {
      for (const double dropout : {0.0, 0.2}) {
        for (const std::int64_t out : {125, 128}) {
          Shape shape{.models = precision == Precision::fp32 ? 1 : 2,
                      .rows = 120,
                      .in = 12,
                      .out = out,
                      .activation = activation,
                      .slope = 0.1,
                      .dropout = dropout,
                      .layout = out == 125 ? Layout::misaligned : Layout::contiguous,
                      .precision = precision};
          add(shape);
          shape.tangent = true;
          if (activation != Activation::identity) add(shape);
        }
      }
    }
    add({.rows = 64, .in = 70, .out = 128, .precision = precision});     // whole tiles, whole vectors
    for (const Layout layout : {Layout::strided, Layout::misaligned}) {  // rows that end within a vector and a draw
      add({.rows = 250, .in = 15, .out = 125, .dropout = 0.2, .layout = layout, .precision = precision});
      add({.rows = 70, .in = 15, .out = 89, .dropout = 0.2, .layout = layout, .precision = precision});
    }
  }
  add_rounded_cases(cases, Precision::tf32);
  add_rounded_cases(cases, Precision::bf16);
  return cases;
}

const bool registered = register_op("dense_forward", dense_forward_cases());

}  // namespace
}  // namespace cugad::test
