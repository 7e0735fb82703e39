#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/common/device.hpp"
#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"
#include "tests/ops/same_products.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, in = 1, out = 1;
  Activation activation = Activation::identity;
  double slope = 0.0;
  double dropout = 0.0;
  double scale = 1.0;
  double zero_rows = 0.0;  ///< share of the rows of dY that are 0 throughout
  bool accumulate = false;
  bool shared_x = false;
  bool dx = true, dweight = true, dbias = true;
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
  Precision precision = Precision::fp32;
};

/// A layer of one model in float64: the stored output of dense_forward, and the loss sum(y * direction).
struct Layer {
  std::int64_t rows, in, out;
  std::vector<double> x, weight, bias, dy;
};

double dh_of(Activation activation, double slope, double dropout_scale, bool dropped, double h, double dy) {
  return dropped ? 0.0 : dy * dropout_scale * activation_derivative(activation, slope, h / dropout_scale);
}

/// An output in the activation's range; zeros (the derivative there is part of the contract) and dropped units.
float stored_output(Random& random, const Shape& shape) {
  if (shape.dropout > 0.0 && random.chance(shape.dropout)) return -0.0f;
  if (random.chance(0.1)) return 0.0f;
  if (shape.exact) return static_cast<float>(random.integer(-2, 2));
  const double h = activate(shape.activation, shape.slope, random.uniform(-3.0, 3.0)) / (1.0 - shape.dropout);
  return static_cast<float>(h == 0.0 ? 0.0 : h);
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-4, 4)) : random.normal(); };
  const auto [models, rows, in, out] = std::array{shape.models, shape.rows, shape.in, shape.out};
  const bool needs_y = shape.activation != Activation::identity || shape.dropout > 0.0;
  const auto rate = static_cast<float>(shape.dropout);
  const double dropout_scale = 1.0 / (1.0 - static_cast<double>(rate));
  auto& x = problem.input("x", models, rows, in, shape.shared_x).fill(number);
  auto& weight = problem.input("weight", models, out, in).fill(number);
  auto& y = problem.input("y", models, rows, out).fill([&] { return stored_output(random, shape); });
  auto& dy = problem.state("dy", models, rows, out).fill(number);
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t r = 0; r < rows; ++r) {
      if (!random.chance(shape.zero_rows)) continue;
      for (std::int64_t o = 0; o < out; ++o) dy.set(m, r, o, o % 3 == 1 ? -0.0f : 0.0f);
    }
  }
  auto& dx = problem.output("dx", models, rows, in);
  const Role weight_role = shape.accumulate ? Role::state : Role::output;
  auto& dweight = weight_role == Role::state ? problem.state("dweight", models, out, in)
                                             : problem.output("dweight", models, out, in);
  auto& dbias =
      weight_role == Role::state ? problem.state("dbias", models, 1, out) : problem.output("dbias", models, 1, out);
  if (shape.accumulate) {
    dweight.fill(number);
    dbias.fill(number);
  }

  const double more = sum_rounding(shape.precision), rounding = operand_rounding(shape.precision);
  std::vector<double> dh(static_cast<std::size_t>(rows * out)), terms_of_dh(dh.size());
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t o = 0; o < out; ++o) {
        const auto at = static_cast<std::size_t>(r * out + o);
        const bool dropped = shape.dropout > 0.0 && is_dropped(y.get(m, r, o));
        dh[at] = dh_of(shape.activation, static_cast<float>(shape.slope), dropout_scale, dropped, y.get(m, r, o),
                       dy.get(m, r, o));
        // 1 - y^2 and y (1 - y) are sums themselves: their terms are bounded by 1.
        terms_of_dh[at] =
            is_curved(shape.activation) && !dropped ? std::abs(dropout_scale * dy.get(m, r, o)) : std::abs(dh[at]);
        dy.expect(m, r, o, dh[at], 5.0 * eps * terms_of_dh[at]);
      }
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t k = 0; k < in; ++k) {
        double sum = 0.0, magnitude = 0.0;
        for (std::int64_t o = 0; o < out; ++o) {
          const auto at = static_cast<std::size_t>(r * out + o);
          sum += dh[at] * weight.get(m, o, k);
          magnitude += std::abs(terms_of_dh[at] * weight.get(m, o, k));
        }
        dx.expect(m, r, k, sum, (more * static_cast<double>(out + 4) * eps + rounding) * magnitude);
      }
    const double bound_factor = static_cast<double>(rows + 4 + (shape.accumulate ? 1 : 0)) * eps;
    const double scale = static_cast<float>(shape.scale);
    for (std::int64_t o = 0; o < out; ++o) {
      for (std::int64_t k = 0; k <= in; ++k) {  // k == in: the bias, whose input is 1
        double sum = 0.0, magnitude = 0.0;
        for (std::int64_t r = 0; r < rows; ++r) {
          const double input = k == in ? 1.0 : x.get(m, r, k);
          sum += dh[static_cast<std::size_t>(r * out + o)] * input;
          magnitude += std::abs(terms_of_dh[static_cast<std::size_t>(r * out + o)] * input);
        }
        const double before = !shape.accumulate ? 0.0 : k == in ? dbias.get(m, 0, o) : dweight.get(m, o, k);
        const double value = before + scale * sum;
        const double terms = std::abs(before) + std::abs(scale) * magnitude;
        if (k == in) {
          dbias.expect(m, 0, o, value, bound_factor * terms);
        } else {
          dweight.expect(m, o, k, value, (more * bound_factor + rounding) * terms);
        }
      }
    }
  }
  if (!shape.dx) dx.expect_unchanged();
  if (!shape.dweight) dweight.expect_unchanged();
  if (!shape.dbias) dbias.expect_unchanged();

  problem.flops = 4.0 * static_cast<double>(models * rows * in * out);
  problem.bytes = 4.0 * static_cast<double>(models * (2 * rows * in + 2 * in * out + 3 * rows * out));
  // Beyond, the rows are summed in chunks on CUDA.
  problem.same_bits_where_fused = same_products(shape.precision) && rows <= 1024;
  problem.call = [&, shape, rate, needs_y](Call& call) {
    call.context.use_precision(shape.precision);
    DenseBackward args;
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
      parameters("models", s.models, "rows", s.rows, "in", s.in, "out", s.out, "activation", name_of(s.activation),
                 "slope", s.slope, "dropout", s.dropout, "scale", s.scale, "zero_rows", s.zero_rows, "accumulate",
                 s.accumulate, "shared_x", s.shared_x, "dx", s.dx, "dweight", s.dweight, "dbias", s.dbias, "layout",
                 name_of(s.layout), "precision", cugad::name_of(s.precision));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

/// Tensor cores: tails of every kind, tiles of both sizes, chunks of rows; and exact cases must stay exact.
void add_rounded_cases(std::vector<Case>& cases, Precision precision) {
  const auto add = [&](Shape shape) {
    shape.activation = Activation::leaky_relu;
    shape.slope = 0.5;
    shape.precision = precision;
    cases.push_back(make_case(shape));
  };
  for (const std::int64_t rows : {1, 7, 50}) {
    for (const std::int64_t in : {1, 17, 64}) {
      for (const std::int64_t out : {1, 8, 33}) {
        const auto layout = static_cast<Layout>((rows + in + out) % 3);
        add({.rows = rows, .in = in, .out = out, .dropout = out == 8 ? 0.2 : 0.0, .layout = layout});
        add({.models = 2, .rows = rows, .in = in, .out = out, .accumulate = in == 64, .exact = true, .layout = layout});
      }
    }
  }
  for (int wanted = 1; wanted < 8; ++wanted)
    add({.rows = 5,
         .in = 6,
         .out = 7,
         .dx = (wanted & 1) != 0,
         .dweight = (wanted & 2) != 0,
         .dbias = (wanted & 4) != 0});
  add({.models = 2, .rows = 1300, .in = 9, .out = 11, .scale = 0.5, .accumulate = true});
  add({.rows = 200, .in = 256, .out = 64, .perf = true});
  add({.rows = 200, .in = 256, .out = 60, .exact = true});
}

std::vector<Case> dense_backward_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  constexpr Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                        Activation::sigmoid, Activation::tanh};
  // dX multiplies rows x out by out x in, dW out x rows by rows x in: tails in all three.
  for (const std::int64_t rows : {1, 2, 7, 50}) {
    for (const std::int64_t in : {1, 5, 15, 16, 17, 64, 65}) {
      for (const std::int64_t out : {1, 3, 6, 7, 17}) {
        add({.rows = rows,
             .in = in,
             .out = out,
             .activation = Activation::leaky_relu,
             .slope = 0.1,
             .layout = static_cast<Layout>((rows + in + out) % 3)});
      }
    }
  }
  for (const Activation activation : activations) {
    const double slope = activation == Activation::leaky_relu ? 0.2 : 0.0;
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
      for (const bool accumulate : {false, true}) {
        add({.models = 3,
             .rows = 11,
             .in = 18,
             .out = 19,
             .activation = activation,
             .slope = slope,
             .scale = accumulate ? 0.5 : 1.0,
             .accumulate = accumulate,
             .layout = layout});
        add({.models = 3,
             .rows = 11,
             .in = 35,
             .out = 9,
             .activation = activation,
             .slope = slope,
             .dropout = 0.2,
             .scale = accumulate ? -3.7 : 1.0,
             .accumulate = accumulate,
             .shared_x = true,
             .layout = layout});
      }
    }
    for (int wanted = 0; wanted < 8; ++wanted)
      add({.models = 2,
           .rows = 5,
           .in = 6,
           .out = 7,
           .activation = activation,
           .slope = slope,
           .dx = (wanted & 1) != 0,
           .dweight = (wanted & 2) != 0,
           .dbias = (wanted & 4) != 0,
           .layout = Layout::strided});
  }
  Shape kdd{.rows = 50, .in = 256, .out = 128, .activation = Activation::leaky_relu, .slope = 0.1, .perf = true};
  kdd.dropout = 0.2;
  add(kdd);
  kdd.models = 3, kdd.in = 121, kdd.out = 256, kdd.dropout = 0.0, kdd.shared_x = true, kdd.dx = false;
  add(kdd);
  add({.rows = 50, .in = 128, .out = 1, .perf = true});
  // Long sums: more panels of k than a tile keeps in shared memory.
  for (const Layout layout : {Layout::contiguous, Layout::misaligned}) {
    add({.models = 2, .rows = 35, .in = 40, .out = 702, .layout = layout});
    for (const std::int64_t out : {2, 4, 40}) add({.models = 2, .rows = 702, .in = 140, .out = out, .layout = layout});
  }
  add({.rows = 50, .in = 64, .out = 128, .activation = Activation::relu, .perf = true});
  add({.rows = 50, .in = 128, .out = 121, .perf = true});
  add({.rows = 65543, .in = 2, .out = 3, .activation = Activation::relu});
  // Around the number of rows that are summed in one chain.
  for (const std::int64_t rows : {1024, 1025, 2049})
    add({.models = 2,
         .rows = rows,
         .in = 3,
         .out = 5,
         .activation = Activation::leaky_relu,
         .slope = 0.1,
         .dropout = 0.2,
         .scale = 0.5,
         .accumulate = rows == 1025,
         .shared_x = true,
         .dweight = rows != 2049});
  // Rows without a gradient: a few, most, all.
  for (const double share : {0.05, 0.4, 0.9, 1.0}) {
    for (const std::int64_t out : {1, 5, 16, 37}) {
      add({.models = 3,
           .rows = 67,
           .in = out + 12,
           .out = out,
           .activation = out == 16 ? Activation::identity : Activation::leaky_relu,
           .slope = 0.1,
           .dropout = out == 37 ? 0.2 : 0.0,
           .zero_rows = share,
           .accumulate = out == 5,
           .layout = out == 5 ? Layout::strided : Layout::contiguous});
    }
  }
  add({.rows = 601, .in = 130, .out = 127, .activation = Activation::relu, .zero_rows = 0.6});
  // Enough work for a second thread.
  add({.rows = 601, .in = 130, .out = 127, .activation = Activation::relu});
  add({.models = 3, .rows = 201, .in = 129, .out = 125, .activation = Activation::relu, .dropout = 0.2});
  for (const Activation activation : {Activation::identity, Activation::relu, Activation::leaky_relu}) {
    for (const std::int64_t in : {5, 17, 64}) {
      for (const std::int64_t out : {1, 6, 33}) {
        const Layout layout = out == 1 ? Layout::contiguous : out == 6 ? Layout::strided : Layout::misaligned;
        add({.models = 2,
             .rows = 13,
             .in = in,
             .out = out,
             .activation = activation,
             .slope = 0.5,
             .dropout = out == 6 ? 0.5 : 0.0,
             .scale = in == 17 ? 0.25 : 1.0,
             .accumulate = in == 64,
             .exact = true,
             .layout = layout});
      }
    }
  }
  // Large tiles, on chips with few multiprocessors.
  for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
      for (const bool is_whole : {false, true}) {
        add({.rows = 123,
             .in = is_whole ? 128 : 125,
             .out = is_whole ? 128 : 119,
             .activation = is_whole ? Activation::relu : Activation::tanh,
             .dropout = 0.2,
             .scale = 0.5,
             .zero_rows = 0.4,
             .accumulate = is_whole,
             .layout = layout,
             .precision = precision});
      }
    }
    add({.models = 2, .rows = 0, .in = 125, .out = 120, .precision = precision});
    add({.rows = 1100,
         .in = 125,
         .out = 120,
         .activation = Activation::leaky_relu,
         .slope = 0.1,
         .dx = false,
         .precision = precision});
  }
  // The smallest tiles and the narrow one: whole panels, chunks, no rows.
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const std::int64_t out : {3, 36}) {
      add({.rows = 140, .in = 136, .out = out, .dx = out == 3, .layout = layout});
      add({.rows = 140, .in = 72, .out = out, .layout = layout});
      add({.rows = 1100, .in = 9, .out = out, .dx = false, .layout = layout});
      add({.rows = 0, .in = 9, .out = out, .layout = layout});
    }
    add({.rows = 1100, .in = 9, .out = 11, .dx = false, .dweight = false, .layout = layout});
  }
  add_rounded_cases(cases, Precision::tf32);
  add_rounded_cases(cases, Precision::bf16);
  return cases;
}

const bool registered = register_op("dense_backward", dense_backward_cases());

/// A row of which one element is NaN, and no other is not 0, is not a row without a gradient.
TEST(dense_backward, keeps_nan_among_zeros) {
  Device device = test_device();
  Context context = device.make_context();
  if (device_name() != "cpu") GTEST_SKIP() << "works on host memory";
  constexpr std::int64_t rows = 40, in = 3, out = 20;
  std::vector<float> x(rows * in, 1.0f), weight(out * in, 1.0f), dy(rows * out, 0.0f), dx(rows * in), dweight(out * in);
  dy[5 * out + 18] = std::numeric_limits<float>::quiet_NaN();
  dy[6 * out] = 1.0f;
  DenseBackward args;
  args.x = {x.data(), 1, rows, in, 0, in};
  args.weight = {weight.data(), 1, out, in, 0, in};
  args.dy = {dy.data(), 1, rows, out, 0, out};
  args.dx = {dx.data(), 1, rows, in, 0, in};
  args.dweight = {dweight.data(), 1, out, in, 0, in};
  run(context, args);
  EXPECT_TRUE(std::isnan(dx[5 * in]) && std::isnan(dweight[18 * in]));
  EXPECT_EQ(dx[6 * in], 1.0f);
  EXPECT_EQ(dx[7 * in], 0.0f);
}

/// The loss sum(dy * act(x W^T + b)) in float64.
double loss_of(const Layer& layer, Activation activation, double slope) {
  double loss = 0.0;
  for (std::int64_t r = 0; r < layer.rows; ++r)
    for (std::int64_t o = 0; o < layer.out; ++o) {
      double sum = layer.bias[static_cast<std::size_t>(o)];
      for (std::int64_t k = 0; k < layer.in; ++k)
        sum += layer.x[static_cast<std::size_t>(r * layer.in + k)] *
               layer.weight[static_cast<std::size_t>(o * layer.in + k)];
      loss += layer.dy[static_cast<std::size_t>(r * layer.out + o)] * activate(activation, slope, sum);
    }
  return loss;
}

/// Central differences against the formulas that the parity reference uses.
TEST(grad, dense_backward) {
  Random random(hash("grad dense_backward"));
  for (const Activation activation :
       {Activation::identity, Activation::relu, Activation::leaky_relu, Activation::sigmoid, Activation::tanh}) {
    const double slope = 0.1;
    Layer layer{4, 3, 5, {}, {}, {}, {}};
    // A unit near a kink would be differentiated across it: draw until all are away from it.
    for (double nearest = 0.0; nearest < 1e-3;) {
      const auto draw = [&](std::vector<double>& values, std::int64_t count) {
        values.resize(static_cast<std::size_t>(count));
        for (double& value : values) value = random.normal();
      };
      draw(layer.x, layer.rows * layer.in);
      draw(layer.weight, layer.out * layer.in);
      draw(layer.bias, layer.out);
      draw(layer.dy, layer.rows * layer.out);
      nearest = infinity;
      for (std::int64_t r = 0; r < layer.rows; ++r)
        for (std::int64_t o = 0; o < layer.out; ++o) {
          double sum = layer.bias[static_cast<std::size_t>(o)];
          for (std::int64_t k = 0; k < layer.in; ++k)
            sum += layer.x[static_cast<std::size_t>(r * layer.in + k)] *
                   layer.weight[static_cast<std::size_t>(o * layer.in + k)];
          nearest = std::min(nearest, std::abs(sum));
        }
    }
    const auto difference = [&](double& parameter) {
      const double h = 1e-5, kept = parameter;
      parameter = kept + h;
      const double above = loss_of(layer, activation, slope);
      parameter = kept - h;
      const double below = loss_of(layer, activation, slope);
      parameter = kept;
      return (above - below) / (2.0 * h);
    };
    std::vector<double> dx(layer.x.size(), 0.0), dweight(layer.weight.size(), 0.0), dbias(layer.bias.size(), 0.0);
    for (std::size_t r = 0; r < 4; ++r)
      for (std::size_t o = 0; o < 5; ++o) {
        double sum = layer.bias[o];
        for (std::size_t k = 0; k < 3; ++k) sum += layer.x[r * 3 + k] * layer.weight[o * 3 + k];
        const double dh = dh_of(activation, slope, 1.0, false, activate(activation, slope, sum), layer.dy[r * 5 + o]);
        dbias[o] += dh;
        for (std::size_t k = 0; k < 3; ++k) {
          dx[r * 3 + k] += dh * layer.weight[o * 3 + k];
          dweight[o * 3 + k] += dh * layer.x[r * 3 + k];
        }
      }
    for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], difference(layer.x[i]), 1e-7);
    for (std::size_t i = 0; i < dweight.size(); ++i) EXPECT_NEAR(dweight[i], difference(layer.weight[i]), 1e-7);
    for (std::size_t i = 0; i < dbias.size(); ++i) EXPECT_NEAR(dbias[i], difference(layer.bias[i]), 1e-7);
  }
}

}  // namespace
}  // namespace cugad::test
