#include <gtest/gtest.h>

#include <array>

#include "tests/ops/convolution_case.hpp"
#include "tests/ops/golden.hpp"
#include "tests/ops/layer_norm_reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, pixels = 1, channels = 1;
  Activation activation = Activation::identity;
  double slope = 0.0, dropout = 0.0;
  bool second = false;  ///< tangent and signal are given
  double offset = 0.5, deviation = 1.0, weight = 1.0;
  bool accumulate = false, dscale = true, dshift = true, shared_x = false, perf = false;
  Layout layout = Layout::contiguous;
};

constexpr float epsilon = 1e-5f;

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto normal = [&] { return random.normal(); };
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.pixels * shape.channels};
  const auto rate = static_cast<float>(shape.dropout), slope = static_cast<float>(shape.slope);
  const double kept = 1.0 / (1.0 - static_cast<double>(rate)), weight = static_cast<float>(shape.weight);
  const bool needs_y = shape.activation != Activation::identity || shape.dropout > 0.0;
  auto& x = problem.input("x", models, rows, columns, shape.shared_x);
  x.fill([&] { return shape.offset + shape.deviation * random.normal(); });
  auto& scale = problem.input("scale", models, 1, shape.channels).fill([&] { return random.uniform(-2.0, 2.0); });
  auto& y = problem.input("y", models, rows, columns);
  y.fill([&] { return stored_output(random, shape.activation, shape.slope, shape.dropout, false); });
  auto& tangent = problem.input("tangent", models, rows, columns).fill(normal);
  auto& signal = problem.input("signal", models, rows, columns).fill(normal);
  auto& dy = problem.state("dy", models, rows, columns).fill(normal);
  auto& dx = problem.output("dx", models, rows, columns);
  const auto sum_tensor = [&](const char* name) -> TypedTensor<float>& {
    return shape.accumulate ? problem.state(name, shape.models, 1, shape.channels).fill(normal)
                            : problem.output(name, shape.models, 1, shape.channels);
  };
  auto& dscale = sum_tensor("dscale");
  auto& dshift = sum_tensor("dshift");

  for (std::int64_t m = 0; m < models; ++m) {
    const auto channels = static_cast<std::size_t>(shape.channels);
    RowTerms scales{std::vector<double>(channels), std::vector<double>(channels)}, shifts = scales;
    for (std::int64_t r = 0; r < rows; ++r) {
      const NormalisedRow row = normalise_row(row_of(x, m, r), epsilon);
      const std::vector<double> t = row_of(tangent, m, r), s = row_of(signal, m, r);
      RowTerms dh;
      for (std::int64_t c = 0; c < columns; ++c) {
        const bool dropped = shape.dropout > 0.0 && is_dropped(y.get(m, r, c));
        const double h = y.get(m, r, c) / kept, above = dy.get(m, r, c);
        dh.value.push_back(dropped ? 0.0 : above * kept * activation_derivative(shape.activation, slope, h));
        dh.terms.push_back(is_curved(shape.activation) && !dropped ? std::abs(kept * above)
                                                                   : std::abs(dh.value.back()));
        dy.expect(m, r, c, dh.value.back(), 5.0 * eps * dh.terms.back());
      }
      const RowTerms first = derivative_along(row, scaled(dh.value, scale, m));
      const std::vector<double> terms = derivative_along(row, sizes(scaled(dh.terms, scale, m))).terms;
      const RowTerms second = curvature_of(row, scaled(s, scale, m), t), along = derivative_along(row, t);
      for (std::int64_t c = 0; c < columns; ++c) {
        const auto at = static_cast<std::size_t>(c), channel = at % channels;
        dx.expect(m, r, c, first.value[at] + (shape.second ? second.value[at] : 0.0),
                  48.0 * eps * (terms[at] + (shape.second ? second.terms[at] : 0.0)));
        shifts.value[channel] += dh.value[at];
        shifts.terms[channel] += dh.terms[at];
        scales.value[channel] += dh.value[at] * row.value[at] + (shape.second ? s[at] * along.value[at] : 0.0);
        scales.terms[channel] += dh.terms[at] * row.size[at] + (shape.second ? std::abs(s[at]) * along.terms[at] : 0.0);
      }
    }
    for (std::size_t c = 0; c < channels; ++c) {
      const auto expect_sum = [&](TypedTensor<float>& tensor, const RowTerms& sums) {
        const auto channel = static_cast<std::int64_t>(c);
        const double before = shape.accumulate ? tensor.get(m, 0, channel) : 0.0;
        tensor.expect(m, 0, channel, before + weight * sums.value[c],
                      24.0 * eps * (std::abs(before) + std::abs(weight) * sums.terms[c]));
      };
      expect_sum(dscale, scales);
      expect_sum(dshift, shifts);
    }
  }
  if (!shape.dscale) dscale.expect_unchanged();
  if (!shape.dshift) dshift.expect_unchanged();

  problem.bytes = 24.0 * static_cast<double>(models * rows * columns);
  problem.same_bits_where_fused = true;
  problem.call = [&, shape, rate, slope, needs_y](Call& call) {
    LayerNormBackward args;
    args.x = x.view(call.slice);
    args.scale = scale.view(call.slice);
    if (needs_y) args.y = y.view(call.slice);
    args.activation = shape.activation;
    args.slope = slope;
    args.dropout_rate = rate;
    args.dy = dy.view(call.slice);
    args.dx = dx.view(call.slice);
    if (shape.dscale) args.dscale = dscale.view(call.slice);
    if (shape.dshift) args.dshift = dshift.view(call.slice);
    args.weight = static_cast<float>(shape.weight);
    args.accumulate = shape.accumulate;
    if (shape.second) {
      args.tangent = tangent.view(call.slice);
      args.signal = signal.view(call.slice);
    }
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "pixels", s.pixels, "channels", s.channels, "activation",
                 name_of(s.activation), "slope", s.slope, "dropout", s.dropout, "second", s.second, "offset", s.offset,
                 "deviation", s.deviation, "weight", s.weight, "accumulate", s.accumulate, "dscale", s.dscale, "dshift",
                 s.dshift, "shared_x", s.shared_x, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> layer_norm_backward_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t pixels : {1, 2, 9, 43}) {
    for (const std::int64_t channels : {1, 3, 16, 127, 128, 129})
      add({.models = 2,
           .rows = 3,
           .pixels = pixels,
           .channels = channels,
           .second = (pixels + channels) % 2 == 0,
           .accumulate = channels == 3,
           .layout = static_cast<Layout>((pixels + channels) % 3)});
  }
  for (const Activation activation :
       {Activation::identity, Activation::relu, Activation::leaky_relu, Activation::sigmoid, Activation::tanh}) {
    for (const bool second : {false, true})
      for (const double dropout : {0.0, 0.2})
        add({.models = 3,
             .rows = 6,
             .pixels = 7,
             .channels = 19,
             .activation = activation,
             .slope = activation == Activation::leaky_relu ? 0.2 : 0.0,
             .dropout = dropout,
             .second = second,
             .weight = second ? 0.7 : 1.0,
             .accumulate = second,
             .shared_x = dropout > 0.0,
             .layout = dropout > 0.0 ? Layout::strided : Layout::misaligned});
  }
  for (const bool second : {false, true}) {
    add({.rows = 4, .pixels = 6, .channels = 5, .second = second, .offset = 100.0});
    add({.rows = 4, .pixels = 6, .channels = 5, .second = second, .offset = 3.7, .deviation = 0.0});
    add({.rows = 4, .pixels = 6, .channels = 5, .second = second, .offset = 0.0, .deviation = 1e4});
  }
  for (int wanted = 0; wanted < 4; ++wanted)
    add({.models = 2,
         .rows = 5,
         .pixels = 2,
         .channels = 6,
         .dscale = (wanted & 1) != 0,
         .dshift = (wanted & 2) != 0,
         .layout = Layout::strided});
  add({.models = 3, .rows = 0, .channels = 5});
  add({.models = 3, .rows = 3, .channels = 0});
  add({.models = 2, .rows = 280, .pixels = 16, .channels = 64});  // enough for a second thread
  add({.models = 4, .rows = 16, .pixels = 49, .channels = 64, .activation = Activation::relu, .perf = true});
  return cases;
}

const bool registered = register_op("layer_norm_backward", layer_norm_backward_cases());

/// Central differences against the formulas that the parity reference uses.
TEST(grad, layer_norm_backward) {
  Random random(hash("grad layer_norm_backward"));
  std::vector<double> x(7), w(7), t(7);
  for (std::vector<double>* values : {&x, &w, &t})
    for (double& value : *values) value = 0.5 + random.normal();
  const auto inner = [&](const std::vector<double>& a, const std::vector<double>& b) {
    return 7.0 * mean_of(products(a, b));
  };
  const auto difference = [&](double& parameter, const auto& loss) {
    const double h = 1e-5, kept = parameter;
    parameter = kept + h;
    const double above = loss();
    parameter = kept - h;
    const double below = loss();
    parameter = kept;
    return (above - below) / (2.0 * h);
  };
  const NormalisedRow row = normalise_row(x, epsilon);
  const RowTerms first = derivative_along(row, w), second = curvature_of(row, w, t);
  for (std::size_t c = 0; c < x.size(); ++c) {
    EXPECT_NEAR(first.value[c], difference(x[c], [&] { return inner(w, normalise_row(x, epsilon).value); }), 1e-7);
    const auto along = [&] { return inner(w, derivative_along(normalise_row(x, epsilon), t).value); };
    EXPECT_NEAR(second.value[c], difference(x[c], along), 1e-6);
  }
}

void expect_close(TypedTensor<float>& tensor, const Array& array) {
  double largest = 0.0;
  for (const double value : array.values) largest = std::max(largest, std::abs(value));
  for (std::int64_t r = 0; r < tensor.rows; ++r)
    for (std::int64_t c = 0; c < tensor.columns; ++c) {
      tensor.expect(0, r, c, array.values[static_cast<std::size_t>(r * tensor.columns + c)], 1e-5 * largest);
    }
}

/// y from x; then dx, dscale and dshift from the golden y.
void check_golden(const Arrays& golden, const std::string& name, const std::string& activation) {
  const Array &images = golden.at(name + "_x"), &scales = golden.at(name + "_scale");
  const std::int64_t rows = images.shape[0], columns = static_cast<std::int64_t>(images.values.size()) / rows;
  const auto channels = static_cast<std::int64_t>(scales.values.size());
  const auto result = [&](const char* what) { return golden.at(name + "_" + activation + "_" + what); };
  Problem forward(0, Layout::contiguous), backward(0, Layout::contiguous);
  auto& x = forward.input("x", 1, rows, columns);
  auto& scale = forward.input("scale", 1, 1, channels);
  auto& shift = forward.input("shift", 1, 1, channels);
  auto& y = forward.output("y", 1, rows, columns);
  fill_from(x, images);
  fill_from(scale, scales);
  fill_from(shift, golden.at(name + "_shift"));
  expect_close(y, result("y"));
  const bool leaks = activation != "identity";
  const Activation kind = leaks ? Activation::leaky_relu : Activation::identity;
  forward.call = [&](Call& call) {
    LayerNorm args;
    args.x = x.view();
    args.scale = scale.view();
    args.shift = shift.view();
    args.activation = kind;
    args.slope = leaks ? 0.2f : 0.0f;
    args.y = y.view();
    call(args);
  };
  expect_match(forward, name + " forwards");

  auto& x_again = backward.input("x", 1, rows, columns);
  auto& scale_again = backward.input("scale", 1, 1, channels);
  auto& stored = backward.input("y", 1, rows, columns);
  auto& dy = backward.state("dy", 1, rows, columns);
  auto& dx = backward.output("dx", 1, rows, columns);
  auto& dscale = backward.output("dscale", 1, 1, channels);
  auto& dshift = backward.output("dshift", 1, 1, channels);
  fill_from(x_again, images);
  fill_from(scale_again, scales);
  fill_from(stored, result("y"));
  fill_from(dy, golden.at(name + "_dy"));
  dy.expect_checked_elsewhere();
  expect_close(dx, result("dx"));
  expect_close(dscale, result("dscale"));
  expect_close(dshift, result("dshift"));
  backward.call = [&](Call& call) {
    LayerNormBackward args;
    args.x = x_again.view();
    args.scale = scale_again.view();
    args.y = stored.view();
    args.activation = kind;
    args.slope = leaks ? 0.2f : 0.0f;
    args.dy = dy.view();
    args.dx = dx.view();
    args.dscale = dscale.view();
    args.dshift = dshift.view();
    call(args);
  };
  expect_match(backward, name + " backwards");
}

TEST(golden, layer_norm) {
  const Arrays golden = read_golden("layer_norm");
  int cases = 0;
  for (const auto& [name, array] : golden) {
    if (!name.ends_with("_x")) continue;
    for (const char* activation : {"identity", "lrelu_0.2"})
      check_golden(golden, name.substr(0, name.size() - 2), activation);
    ++cases;
  }
  EXPECT_EQ(cases, 6);
}

}  // namespace
}  // namespace cugad::test
