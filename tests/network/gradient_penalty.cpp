#include <gtest/gtest.h>

#include "tests/network/population.hpp"

/// The R1 penalty scale / 2 * sum over rows of |grad_x D|^2 and its parameter gradient, against central differences of
/// the penalty that a float64 twin computes by an input-gradient pass of its own.
namespace cugad::test {
namespace {

struct Case {
  const char* name;
  int in;
  std::vector<LayerSpec> layers;
};

const std::vector<Case> cases = {
    {"no hidden layer", 6, {{1}}},
    {"one", 5, {{8, Activation::leaky_relu, 0.2f, 0.3f}, {1}}},
    {"two", 7, {{17, Activation::leaky_relu, 0.1f, 0.25f}, {9, Activation::leaky_relu, 0.2f, 0.4f}, {1}}},
    {"three, relu in between",
     4,
     {{6, Activation::leaky_relu, 0.2f}, {12, Activation::relu, 0.0f, 0.2f}, {5, Activation::leaky_relu, 0.3f}, {1}}},
};

double penalty(const Population& p, const std::vector<double>& flat, const RandomKey* dropout, std::int64_t m,
               double scale) {
  double sum = 0.0;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    const auto trace = p.twin.forward(flat, p.input_row(m, r), dropout, m, r);
    for (const double g : p.twin.input_gradient(flat, trace, {1.0})) sum += g * g;
  }
  return 0.5 * scale * sum;
}

class GradientPenalty : public testing::TestWithParam<std::tuple<std::size_t, bool>> {
 protected:
  const Case& tested() const { return cases[std::get<0>(GetParam())]; }
  const RandomKey* dropout() const { return std::get<1>(GetParam()) ? &key_ : nullptr; }

  /// Adds the penalty's gradient to p.gradients.
  void add(Population& p, double scale) {
    Mlp::Buffers buffers = p.buffers();
    p.network.forward(context_, p.flat(), p.x(), buffers, dropout());
    p.network.add_gradient_penalty(context_, p.flat(), buffers, p.dx(), p.tangents(), static_cast<float>(scale),
                                   dropout() != nullptr, p.flat_gradient());
  }

  Context context_ = Device::open("cpu", 1).make_context();
  RandomKey key_{.seed = 91, .purpose = RandomPurpose::dropout, .lane = 2, .step = 5};
};

TEST_P(GradientPenalty, MatchesCentralDifferences) {
  SCOPED_TRACE(tested().name);
  Population p(tested().in, tested().layers, 2, 13);
  std::fill(p.gradients.begin(), p.gradients.end(), 0.0f);
  add(p, 0.75);
  for (std::int64_t m = 0; m < p.models; ++m) {
    const auto value = [&](const std::vector<double>& flat) { return penalty(p, flat, dropout(), m, 0.75); };
    expect_near_all(p.model_part(p.gradients, m), central_differences(p.model_parameters(m), value), 3e-6, "penalty");
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const std::vector<double> flat = p.model_parameters(m);
      const auto trace = p.twin.forward(flat, p.input_row(m, r), dropout(), m, r);
      const float* row = p.dx().model(m).row(r);
      expect_near_all({row, row + p.network.inputs()}, p.twin.input_gradient(flat, trace, {1.0}), 2e-6, "grad_x D");
    }
  }
}

TEST_P(GradientPenalty, AddsToWhatIsThere) {
  Population p(tested().in, tested().layers, 2, 13);
  std::fill(p.gradients.begin(), p.gradients.end(), 0.0f);
  add(p, 1.0);
  std::vector<double> expected(p.gradients.begin(), p.gradients.end());
  for (double& value : expected) value -= 0.25;
  std::fill(p.gradients.begin(), p.gradients.end(), -0.25f);
  add(p, 1.0);
  expect_near_all(p.gradients, expected, 1e-6, "sum");
}

/// Biases move no input gradient of a piecewise-linear network.
TEST_P(GradientPenalty, LeavesBiasesAlone) {
  Population p(tested().in, tested().layers, 2, 13);
  std::fill(p.gradients.begin(), p.gradients.end(), 0.5f);
  add(p, 1.0);
  for (int l = 0; l < p.network.layers(); ++l)
    for (const float value : dense(p.network.bias(l, p.flat_gradient()))) ASSERT_EQ(value, 0.5f);
}

INSTANTIATE_TEST_SUITE_P(Networks, GradientPenalty,
                         testing::Combine(testing::Range<std::size_t>(0, 4), testing::Bool()));

}  // namespace
}  // namespace cugad::test
