#include <gtest/gtest.h>

#include <functional>

#include "cugad/error.hpp"
#include "host/network/network.hpp"
#include "tests/network/population.hpp"

/// Layer normalisation in networks: passes and gradient penalties against a float64 twin.
namespace cugad::test {
namespace {

using Vector = std::vector<double>;

const LayerSpec sums_6{.out = 6}, sums_4{.out = 4}, one{.out = 1};

LayerSpec normalisation(int out, ImageShape to = {}) {
  LayerSpec layer;
  layer.out = out;
  layer.activation = Activation::leaky_relu;
  layer.slope = 0.2f;
  layer.layer_norm = true;
  layer.to = to;
  return layer;
}

/// Layers of one row in float64: the way forwards, which keeps what the way back needs.
class RowTwin {
 public:
  RowTwin(const Mlp& mlp, const double* flat) : mlp_(mlp), flat_(flat) {}

  Vector forward(Vector x) {
    before_.clear();
    slope_.clear();
    for (int l = 0; l < mlp_.layers(); ++l) {
      before_.push_back(x);
      const double *weight = flat_ + mlp_.weight_offset(l), *bias = flat_ + mlp_.bias_offset(l);
      const auto in = x.size(), units = static_cast<std::size_t>(mlp_.units(l));
      Vector y(static_cast<std::size_t>(mlp_.layer(l).out)), slope(y.size(), 1.0);
      const Vector normal = mlp_.layer(l).layer_norm ? normalised(x) : Vector();
      for (std::size_t o = 0; o < y.size(); ++o) {
        y[o] = bias[o % units];
        if (mlp_.layer(l).layer_norm) {
          y[o] += weight[o % units] * normal[o];
        } else {
          for (std::size_t i = 0; i < in; ++i) y[o] += weight[o * in + i] * x[i];
        }
        if (mlp_.layer(l).activation != Activation::leaky_relu || y[o] > 0.0) continue;
        slope[o] = mlp_.layer(l).slope;
        y[o] *= slope[o];
      }
      slope_.push_back(slope);
      x = y;
    }
    return x;
  }
  /// From the gradient of the last outputs to that of x.
  Vector backward(Vector dy) const {
    for (int l = mlp_.layers(); l-- > 0;) {
      const double* weight = flat_ + mlp_.weight_offset(l);
      const Vector& x = before_[static_cast<std::size_t>(l)];
      const auto units = static_cast<std::size_t>(mlp_.units(l));
      Vector dx(x.size(), 0.0);
      for (std::size_t o = 0; o < dy.size(); ++o) {
        dy[o] *= slope_[static_cast<std::size_t>(l)][o];
        if (mlp_.layer(l).layer_norm) {
          dx[o] = weight[o % units] * dy[o];
        } else {
          for (std::size_t i = 0; i < x.size(); ++i) dx[i] += weight[o * x.size() + i] * dy[o];
        }
      }
      dy = mlp_.layer(l).layer_norm ? through_normalisation(x, dx) : dx;
    }
    return dy;
  }

 private:
  static double mean(const Vector& x) {
    double sum = 0.0;
    for (const double value : x) sum += value;
    return sum / static_cast<double>(x.size());
  }
  static double inverse_deviation(const Vector& x) {
    double variance = 0.0;
    for (const double value : x) variance += std::pow(value - mean(x), 2.0) / static_cast<double>(x.size());
    return 1.0 / std::sqrt(variance + static_cast<double>(1e-5f));
  }
  static Vector normalised(const Vector& x) {
    Vector y = x;
    for (double& value : y) value = (value - mean(x)) * inverse_deviation(x);
    return y;
  }
  static Vector through_normalisation(const Vector& x, const Vector& u) {
    const Vector normal = normalised(x);
    Vector products = u, dx = u;
    for (std::size_t c = 0; c < u.size(); ++c) products[c] *= normal[c];
    for (std::size_t c = 0; c < u.size(); ++c)
      dx[c] = inverse_deviation(x) * (u[c] - mean(u) - normal[c] * mean(products));
    return dx;
  }

  const Mlp& mlp_;
  const double* flat_;
  std::vector<Vector> before_, slope_;
};

/// Networks with and without branches; rows of 5 columns, and latents of 3.
Network critic() { return Network(Mlp(5, {sums_6, normalisation(6, {1, 3, 2}), sums_4, normalisation(4), one})); }
Network critic_of_pairs() {
  return Network(Mlp(5, {sums_6, normalisation(6)}), Mlp(3, {sums_4, normalisation(4)}),
                 Mlp(10, {sums_6, normalisation(6), one}));
}

struct Passes {
  explicit Passes(Network network_)
      : network(std::move(network_)),
        parameters(Population::random(models * network.parameters(), 3)),
        gradients(parameters.size(), 0.25f),
        x(Population::random(models * rows * 5, 4)),
        z(Population::random(models * rows * 3, 5)),
        dx(x.size()),
        dz(z.size()),
        memory(static_cast<std::size_t>(network.buffer_floats(models, rows)), -7.0f),
        tangent_memory(memory) {}
  StackView<float> flat(std::vector<float>& values) { return {values.data(), models, 1, network.parameters()}; }
  Network::Input in() { return {.x = rows_of(x, 5), .z = network.is_joint() ? rows_of(z, 3) : StackView<float>()}; }
  Network::InputGradient input_gradient() {
    return {.x = rows_of(dx, 5), .z = network.is_joint() ? rows_of(dz, 3) : StackView<float>()};
  }
  StackView<float> rows_of(std::vector<float>& values, std::int64_t columns) {
    return {values.data(), models, rows, columns};
  }
  Vector widened_row(const std::vector<float>& values, std::int64_t m, std::int64_t r, std::int64_t columns) const {
    return widened(values, static_cast<std::size_t>((m * rows + r) * columns), static_cast<std::size_t>(columns));
  }

  /// The output of one row, and its gradient with respect to (x, z).
  std::pair<double, Vector> judge(const Vector& flat_, std::int64_t m, std::int64_t r) const {
    const auto twin = [&](std::size_t p) {
      return RowTwin(network.parts()[p].mlp, flat_.data() + network.parts()[p].offset);
    };
    const Vector row = widened_row(x, m, r, 5);
    if (!network.is_joint()) {
      RowTwin only = twin(0);
      const Vector y = only.forward(row);
      return {y[0], only.backward({1.0})};
    }
    RowTwin data = twin(0), latent = twin(1), trunk = twin(2);
    Vector joined = data.forward(row);
    const Vector second = latent.forward(widened_row(z, m, r, 3));
    joined.insert(joined.end(), second.begin(), second.end());
    const Vector y = trunk.forward(joined), back = trunk.backward({1.0});
    Vector gradient = data.backward({back.begin(), back.begin() + 6});
    const Vector of_latent = latent.backward({back.begin() + 6, back.end()});
    gradient.insert(gradient.end(), of_latent.begin(), of_latent.end());
    return {y[0], gradient};
  }
  Vector model_parameters(std::int64_t m) const {
    const auto count = static_cast<std::size_t>(network.parameters());
    return widened(parameters, static_cast<std::size_t>(m) * count, count);
  }
  /// The gradients of each model less what was there are those of `loss` by central differences.
  void expect_gradients(const std::function<double(const Vector&, std::int64_t m)>& loss, double tolerance) {
    for (std::int64_t m = 0; m < models; ++m) {
      Vector all = model_parameters(m), expected;
      for (double& value : all) {
        const double kept = value;
        value = kept + 1e-5;
        const double above = loss(all, m);
        value = kept - 1e-5;
        expected.push_back(0.25 + (above - loss(all, m)) / 2e-5);
        value = kept;
      }
      const auto first = gradients.begin() + m * network.parameters();
      expect_near_all({first, first + network.parameters()}, expected, tolerance, "gradient");
    }
  }

  static constexpr std::int64_t models = 2, rows = 7;
  Network network;
  std::vector<float> parameters, gradients, x, z, dx, dz, memory, tangent_memory;
};

class LayerNormNetworks : public testing::TestWithParam<bool> {
 protected:
  Network network() const { return GetParam() ? critic_of_pairs() : critic(); }
  Context context_ = Device::open("cpu", 1).make_context();
};

TEST_P(LayerNormNetworks, HaveTheTwinsOutputsAndGradients) {
  Passes p(network());
  const Network::Buffers buffers = p.network.carve(p.memory.data(), p.models, p.rows);
  p.network.forward(context_, p.flat(p.parameters), p.in(), buffers);
  for (std::int64_t m = 0; m < p.models; ++m)
    for (std::int64_t r = 0; r < p.rows; ++r) {
      *buffers.result_gradient().model(m).row(r) = 1.0f;
      const double expected = p.judge(p.model_parameters(m), m, r).first;
      EXPECT_NEAR(*buffers.result().model(m).row(r), expected, 2e-6 * (1.0 + std::abs(expected)));
    }
  p.network.backward(context_, p.flat(p.parameters), p.in(), buffers, p.flat(p.gradients), p.input_gradient(),
                     {.accumulate = true});
  p.expect_gradients(
      [&](const Vector& flat, std::int64_t m) {
        double sum = 0.0;
        for (std::int64_t r = 0; r < p.rows; ++r) sum += p.judge(flat, m, r).first;
        return sum;
      },
      1e-5);
}

/// R1 of both, and the penalty with a target of networks without branches.
TEST_P(LayerNormNetworks, PenaltiesMatchCentralDifferences) {
  for (const float target : {0.0f, 1.0f}) {
    if (target > 0.0f && GetParam()) continue;
    Passes p(network());
    const Network::Buffers buffers = p.network.carve(p.memory.data(), p.models, p.rows),
                           tangents = p.network.carve(p.tangent_memory.data(), p.models, p.rows);
    p.network.forward(context_, p.flat(p.parameters), p.in(), buffers);
    p.network.add_gradient_penalty(context_, p.flat(p.parameters), p.in(), buffers, p.input_gradient(), tangents,
                                   {.scale = 0.75f, .target = target}, p.flat(p.gradients));
    p.expect_gradients(
        [&](const Vector& flat, std::int64_t m) {
          double sum = 0.0;
          for (std::int64_t r = 0; r < p.rows; ++r) {
            double squares = 0.0;
            for (const double g : p.judge(flat, m, r).second) squares += g * g;
            sum += target > 0.0f ? 0.75 * std::pow(std::sqrt(squares) - 1.0, 2.0) : 0.375 * squares;
          }
          return sum;
        },
        1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Critics, LayerNormNetworks, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "OfPairs" : "OfRows"; });

/// A normalisation draws nothing, and leaves the lanes of the layers around it.
TEST(LayerNorm, BeginsWithOnesAndZeros) {
  Context context = Device::open("cpu", 1).make_context();
  const Mlp with(5, {sums_6, normalisation(6, {1, 3, 2}), sums_4}), without(5, {sums_6, sums_4});
  EXPECT_EQ(with.parameters(), without.parameters() + 4);
  EXPECT_EQ(with.weight_shape(1), (std::vector<std::int64_t>{2, 1}));
  const auto initial = [&](const Mlp& mlp) {
    std::vector<float> flat(static_cast<std::size_t>(mlp.parameters()), -7.0f);
    mlp.initialise(context, {flat.data(), 1, 1, mlp.parameters()},
                   {.seed = 8, .purpose = RandomPurpose::initial_weights});
    return flat;
  };
  std::vector<float> expected = initial(without);
  const std::vector<float> scale_and_shift = {1.0f, 1.0f, 0.0f, 0.0f};
  expected.insert(expected.begin() + 36, scale_and_shift.begin(), scale_and_shift.end());
  EXPECT_EQ(initial(with), expected);
  EXPECT_EQ(with.place(0), 0);
  EXPECT_EQ(with.place(1), 0);
  EXPECT_EQ(with.place(2), 1);
  EXPECT_FALSE(with.is_dense());
}

TEST(LayerNorm, IsRefusedWhereItDoesNotFit) {
  const auto refusal = [](int in, std::vector<LayerSpec> layers) -> std::string {
    try {
      Mlp(in, std::move(layers));
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_NE(refusal(5, {sums_6, normalisation(4)}).find("layer 1 has 6 inputs and 4 outputs"), std::string::npos);
  EXPECT_NE(refusal(6, {normalisation(6)}).find("behind another layer"), std::string::npos);
  EXPECT_NE(refusal(5, {sums_6, normalisation(6, {2, 2, 1})}).find("expected those of its images"), std::string::npos);
}

}  // namespace
}  // namespace cugad::test
