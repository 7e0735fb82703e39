#include <gtest/gtest.h>

#include <array>

#include "tests/ops/convolution_case.hpp"
#include "tests/ops/layer_norm_reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, pixels = 1, channels = 1;
  Activation activation = Activation::identity;
  double slope = 0.0, dropout = 0.0;
  bool tangent = false;
  double offset = 0.5, deviation = 1.0;  ///< of the columns
  double epsilon = 1e-5;
  bool shared_x = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// Bounds of what follows the sums, as in DenseForward: before the activation, and with it.
double activated_bound(const Shape& shape, double kept, double before, double value) {
  return kept * before + 4.0 * eps * std::abs(value) + (is_curved(shape.activation) ? 4.0 * eps : 0.0) * kept +
         (shape.dropout > 0.0 ? 3.0 * eps * std::abs(value) : 0.0);
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.pixels * shape.channels};
  auto& x = problem.input("x", models, rows, columns, shape.shared_x).by_item();
  x.fill([&] { return shape.offset + shape.deviation * random.normal(); });
  auto& scale = problem.input("scale", models, 1, shape.channels).fill([&] { return random.uniform(-2.0, 2.0); });
  auto& shift = problem.input("shift", models, 1, shape.channels).fill([&] { return random.normal(); });
  auto& tangent = problem.input("tangent", models, rows, columns).by_item().fill([&] { return random.normal(); });
  auto& stored = problem.input("derivative_of", models, rows, columns).by_item();
  stored.fill([&] { return stored_output(random, shape.activation, shape.slope, shape.dropout, false); });
  auto& y = problem.output("y", models, rows, columns).by_item();
  const bool draws = shape.dropout > 0.0 && !shape.tangent;
  // A batch's dropout words are numbered by row, so a slice of rows is another draw.
  if (draws) x.rows_per_item = y.rows_per_item = stored.rows_per_item = tangent.rows_per_item = 0;
  y.negative_zero_matters = draws;
  const RandomKey key{random.next(), RandomPurpose::dropout, 3, 17, nullptr};
  const auto rate = static_cast<float>(shape.dropout), epsilon = static_cast<float>(shape.epsilon);
  const double kept = 1.0 / (1.0 - static_cast<double>(rate)), slope = static_cast<float>(shape.slope);

  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t r = 0; r < rows; ++r) {
      const NormalisedRow row = normalise_row(row_of(x, m, r), epsilon);
      const RowTerms along = derivative_along(row, row_of(tangent, m, r));
      for (std::int64_t c = 0; c < columns; ++c) {
        const auto at = static_cast<std::size_t>(c);
        const double gain = scale.get(m, 0, c % shape.channels), constant = shift.get(m, 0, c % shape.channels);
        if (shape.tangent) {
          const float h = stored.get(m, r, c);
          const bool dropped = shape.dropout > 0.0 && is_dropped(h);
          const double factor = dropped ? 0.0 : kept * activation_derivative(shape.activation, slope, h / kept);
          y.expect(m, r, c, factor * gain * along.value[at],
                   24.0 * eps * (is_curved(shape.activation) ? kept : factor) * std::abs(gain) * along.terms[at]);
          continue;
        }
        const double normal = row.value[at];
        const double before =
            eps * (std::abs(gain) * (2.0 * row.inverse_deviation * std::abs(row.mean) + 12.0 * std::abs(normal)) +
                   2.0 * std::abs(constant));
        const double value = kept * activate(shape.activation, slope, gain * normal + constant);
        const std::uint32_t word = random_word(key, m, static_cast<std::uint64_t>(r * columns + c));
        const bool dropped = static_cast<double>(word) < static_cast<double>(rate) * 0x1p32;
        y.expect(m, r, c, dropped ? -0.0 : (value == 0.0 ? 0.0 : value),
                 dropped ? 0.0 : activated_bound(shape, kept, before, value));
      }
    }

  problem.bytes = (shape.tangent ? 16.0 : 8.0) * static_cast<double>(models * rows * columns);
  problem.same_bits_where_fused = true;
  problem.call = [&, shape, key, rate, epsilon](Call& call) {
    LayerNorm args;
    args.x = x.view(call.slice);
    args.scale = scale.view(call.slice);
    args.shift = shift.view(call.slice);
    args.epsilon = epsilon;
    args.activation = shape.activation;
    args.slope = static_cast<float>(shape.slope);
    args.dropout = {rate, key};
    args.dropout.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
    args.y = y.view(call.slice);
    if (shape.tangent) {
      args.tangent = tangent.view(call.slice);
      args.derivative_of = stored.view(call.slice);
    }
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "pixels", s.pixels, "channels", s.channels,
                              "activation", name_of(s.activation), "slope", s.slope, "dropout", s.dropout, "tangent",
                              s.tangent, "offset", s.offset, "deviation", s.deviation, "epsilon", s.epsilon, "shared_x",
                              s.shared_x, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> layer_norm_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  // Around the 128 partial sums, with channels that divide them or do not.
  for (const std::int64_t pixels : {1, 2, 9, 43}) {
    for (const std::int64_t channels : {1, 3, 16, 127, 128, 129, 300})
      add({.models = 2,
           .rows = 3,
           .pixels = pixels,
           .channels = channels,
           .tangent = (pixels + channels) % 2 == 0,
           .layout = static_cast<Layout>((pixels + channels) % 3)});
  }
  for (const Activation activation :
       {Activation::identity, Activation::relu, Activation::leaky_relu, Activation::sigmoid, Activation::tanh}) {
    for (const bool tangent : {false, true})
      for (const double dropout : {0.0, 0.2})
        add({.models = 3,
             .rows = 5,
             .pixels = 7,
             .channels = 19,
             .activation = activation,
             .slope = activation == Activation::leaky_relu ? 0.2 : 0.0,
             .dropout = dropout,
             .tangent = tangent,
             .shared_x = dropout > 0.0,
             .layout = dropout > 0.0 ? Layout::strided : Layout::misaligned});
  }
  // Rows far from zero, constant, and tiny.
  for (const bool tangent : {false, true}) {
    add({.rows = 4, .pixels = 6, .channels = 5, .tangent = tangent, .offset = 1000.0});
    add({.rows = 4, .pixels = 6, .channels = 5, .tangent = tangent, .offset = 3.7, .deviation = 0.0});
    add({.rows = 4, .pixels = 6, .channels = 5, .tangent = tangent, .offset = 0.0, .deviation = 1e4});
  }
  add({.rows = 4, .pixels = 6, .channels = 5, .deviation = 1e-6, .epsilon = 1e-12});
  add({.models = 3, .rows = 0, .channels = 5});
  add({.models = 3, .rows = 3, .channels = 0});
  add({.models = 2, .rows = 280, .pixels = 16, .channels = 64});  // enough for a second thread
  add({.models = 4, .rows = 16, .pixels = 49, .channels = 64, .activation = Activation::relu, .perf = true});
  return cases;
}

const bool registered = register_op("layer_norm", layer_norm_cases());

}  // namespace
}  // namespace cugad::test
