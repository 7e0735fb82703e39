#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "cugad/error.hpp"
#include "tests/network/population.hpp"

/// Layers that take the output of an earlier layer beside that of the last, against a float64 program.
namespace cugad::test {
namespace {

constexpr std::int64_t rows = 7;
constexpr int columns = 4;
constexpr double slope = 0.25;

/// Layer 0 has two more readers: layer 2, through ReLU, and layer 3.
std::vector<LayerSpec> skipping_layers() {
  std::vector<LayerSpec> layers = {{5, Activation::tanh, 0.0f, 0.3f},
                                   {4, Activation::leaky_relu, static_cast<float>(slope)},
                                   {3, Activation::tanh},
                                   {2, Activation::identity}};
  layers[2].beside = layers[3].beside = 0;
  layers[2].rectifies = true;
  return layers;
}

/// The sum of weighted outputs, from parameters and inputs in double. Units of layer 0 are dropped as in `first`.
double loss_of(const Mlp& mlp, const std::vector<double>& flat, const std::vector<double>& x,
               const std::vector<float>& first, const std::vector<double>& weights) {
  const auto dense_layer = [&](int l, const std::vector<double>& in) {
    std::vector<double> out;
    const std::size_t fan_in = in.size();
    for (int o = 0; o < mlp.layer(l).out; ++o) {
      double sum = flat[static_cast<std::size_t>(mlp.bias_offset(l) + o)];
      for (std::size_t i = 0; i < fan_in; ++i)
        sum += in[i] * flat[static_cast<std::size_t>(mlp.weight_offset(l)) + static_cast<std::size_t>(o) * fan_in + i];
      out.push_back(sum);
    }
    return out;
  };
  double loss = 0.0;
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<double> h0 = dense_layer(0, {x.begin() + static_cast<std::ptrdiff_t>(r * columns),
                                             x.begin() + static_cast<std::ptrdiff_t>((r + 1) * columns)});
    for (std::size_t c = 0; c < h0.size(); ++c) {
      const float kept = first[r * h0.size() + c];
      h0[c] = kept == 0.0f && std::signbit(kept) ? 0.0 : std::tanh(h0[c]) / (1.0 - double{0.3f});
    }
    std::vector<double> h1 = dense_layer(1, h0);
    for (double& h : h1) h = h > 0.0 ? h : slope * h;
    for (const double h : h0) h1.push_back(std::max(h, 0.0));
    std::vector<double> h2 = dense_layer(2, h1);
    for (double& h : h2) h = std::tanh(h);
    h2.insert(h2.end(), h0.begin(), h0.end());
    const std::vector<double> y = dense_layer(3, h2);
    for (std::size_t c = 0; c < y.size(); ++c) loss += weights[r * y.size() + c] * y[c];
  }
  return loss;
}

TEST(Skips, GradientsAreThoseOfThePassesWithDropout) {
  Context context = Device::open("cpu", 1).make_context();
  const Mlp mlp(columns, skipping_layers());
  EXPECT_EQ(mlp.layer_inputs(2), 4 + 5);
  EXPECT_EQ(mlp.layer_inputs(3), 3 + 5);
  std::vector<float> parameters = Population::random(mlp.parameters(), 4), x = Population::random(rows * columns, 5),
                     weights = Population::random(rows * 2, 6), gradient(parameters.size()), dx(x.size());
  std::vector<float> memory(static_cast<std::size_t>(mlp.buffer_floats(1, rows)), -7.0f);
  const Mlp::Buffers buffers = mlp.carve(memory.data(), 1, rows);
  const StackView<float> flat(parameters.data(), 1, 1, mlp.parameters()), in(x.data(), 1, rows, columns);
  const RandomKey key{.seed = 9, .purpose = RandomPurpose::dropout};
  mlp.forward(context, flat, in, buffers, &key);
  const std::vector<float> first = dense(buffers.output[0]);
  Mlp::Buffers back = buffers;
  back.gradient.back() = {weights.data(), 1, rows, 2};
  const std::vector<float> kept_weights = weights;
  mlp.backward(context, flat, in, back, {gradient.data(), 1, 1, mlp.parameters()}, {dx.data(), 1, rows, columns},
               {.dropout = true});
  std::vector<double> wide(parameters.begin(), parameters.end()), wide_x(x.begin(), x.end());
  const std::vector<double> wide_weights(kept_weights.begin(), kept_weights.end());
  const auto loss = [&] { return loss_of(mlp, wide, wide_x, first, wide_weights); };
  const auto slopes = [&](std::vector<double>& of) {
    std::vector<double> found;
    for (double& value : of) {
      const double before = value, step = 1e-6;
      value = before + step;
      const double above = loss();
      value = before - step;
      found.push_back((above - loss()) / (2.0 * step));
      value = before;
    }
    return found;
  };
  expect_near_all(gradient, slopes(wide), 1e-5, "parameters");
  expect_near_all(dx, slopes(wide_x), 1e-5, "inputs");
}

TEST(Skips, ThatDoNotFitAreRefused) {
  const auto refused = [](int layer, int beside) {
    std::vector<LayerSpec> layers = skipping_layers();
    layers[static_cast<std::size_t>(layer)].beside = beside;
    EXPECT_THROW(Mlp(columns, layers), Error) << layer << " " << beside;
  };
  refused(2, 1);
  refused(2, 2);
  refused(1, 3);
  refused(0, 1);
  std::vector<float> memory(400);
  const Mlp mlp(columns, skipping_layers());
  EXPECT_THROW(mlp.view(StackView<const float>(memory.data(), 1, 1, mlp.parameters())), Error);
}

}  // namespace
}  // namespace cugad::test
