#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/methods/anogan.hpp"
#include "host/training/gan_step.hpp"
#include "tests/common/npz.hpp"

/// Whole GAN iterations against float64 automatic differentiation of another program (tests/golden/README.md, d).
namespace cugad::test {
namespace {

struct Golden {
  const char* name;
  std::vector<int> hidden, discriminator_hidden;
  GeneratorLoss loss;
};

const std::vector<Golden> goldens = {
    {"gan_step_nonsat", {16, 24}, {16, 16}, GeneratorLoss::non_saturating},
    {"gan_step_minimax", {16, 24}, {16, 16}, GeneratorLoss::minimax},
    {"gan_3steps_nonsat_b3", {16}, {32, 7}, GeneratorLoss::non_saturating},
};

DetectorOptions options_of(const Golden& golden, const Array& x, const Array& z, double rate) {
  DetectorOptions options;
  options.population = 1;
  options.latent = static_cast<int>(z.shape[2]);
  options.hidden = golden.hidden;
  options.discriminator_hidden = golden.discriminator_hidden;
  options.slope = 0.1f;
  options.batch = static_cast<int>(x.shape[1]);
  options.learning_rate = options.discriminator_learning_rate = static_cast<float>(rate);
  options.beta1 = 0.5f;
  options.beta2 = 0.999f;
  options.final_rate = 1.0f;
  options.average_decay = options.r1 = options.coverage = options.fence = 0.0f;
  options.generator_loss = golden.loss;
  return options;
}

/// A network's flat buffers, filled from and compared with arrays "<prefix>_W1", "<prefix>_b1", ...
struct Buffers {
  explicit Buffers(const Mlp& network_) : network(network_), parameter(size()), first(size()), second(size()) {}

  std::size_t size() const { return static_cast<std::size_t>(network.parameters()); }
  StackView<float> view(std::vector<float>& memory) { return {memory.data(), 1, 1, network.parameters()}; }
  NetworkState state() { return {view(parameter), view(first), view(second), {}}; }

  /// The golden parameters (or gradients) in the library's layout: weights transposed to [out, in].
  std::vector<double> flattened(const std::map<std::string, Array>& arrays, const std::string& prefix) const {
    std::vector<double> flat(size());
    for (int l = 0; l < network.layers(); ++l) {
      const Array& weight = arrays.at(prefix + "_W" + std::to_string(l + 1));
      const Array& bias = arrays.at(prefix + "_b" + std::to_string(l + 1));
      const std::int64_t in = network.layer_inputs(l), out = network.layer(l).out;
      EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{in, out}));
      for (std::int64_t o = 0; o < out; ++o) {
        for (std::int64_t i = 0; i < in; ++i)
          flat[static_cast<std::size_t>(network.weight_offset(l) + o * in + i)] =
              weight.values[static_cast<std::size_t>(i * out + o)];
        flat[static_cast<std::size_t>(network.bias_offset(l) + o)] = bias.values[static_cast<std::size_t>(o)];
      }
    }
    return flat;
  }
  void load(const std::map<std::string, Array>& arrays, const std::string& prefix) {
    const std::vector<double> flat = flattened(arrays, prefix);
    std::copy(flat.begin(), flat.end(), parameter.begin());
  }

  const Mlp& network;
  std::vector<float> parameter, first, second;
};

void fill(const StackView<float>& view, const Array& array, std::int64_t iteration) {
  const double* from = array.values.data() + iteration * view.rows * view.columns;
  for (std::int64_t r = 0; r < view.rows; ++r)
    for (std::int64_t c = 0; c < view.columns; ++c) view.model(0).row(r)[c] = static_cast<float>(*from++);
}

/// Relative to the element, or to a hundredth of its tensor's largest element: a gradient is a sum over the batch, and
/// an element that is small because its terms cancel keeps the rounding of the terms, which are of the others' size.
void expect_gradient(const Mlp& network, const float* found, const std::vector<double>& expected) {
  for (int l = 0; l < network.layers(); ++l) {
    const std::int64_t ends[] = {network.weight_offset(l), network.bias_offset(l),
                                 network.bias_offset(l) + network.layer(l).out};
    for (int part = 0; part < 2; ++part) {
      double largest = 0.0;
      for (std::int64_t i = ends[part]; i < ends[part + 1]; ++i)
        largest = std::max(largest, std::abs(expected[static_cast<std::size_t>(i)]));
      ASSERT_GT(largest, 0.0);
      for (std::int64_t i = ends[part]; i < ends[part + 1]; ++i) {
        const double value = expected[static_cast<std::size_t>(i)];
        ASSERT_NEAR(found[i], value, 1e-5 * std::max(std::abs(value), 0.01 * largest))
            << "layer " << l << (part == 0 ? " weight " : " bias ") << i - ends[part];
      }
    }
  }
}

/// Adam's first steps are about rate * sign(gradient): where a gradient is nearly zero its rounding decides the step,
/// so a stray element may be off by whole steps. The others must be within 5 % of one step.
void expect_parameters(const std::vector<float>& found, const std::vector<double>& expected, double rate,
                       std::int64_t iterations) {
  std::size_t stray = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double off = std::abs(found[i] - expected[i]);
    ASSERT_LE(off, 2.0 * rate * static_cast<double>(iterations)) << i;
    stray += off > 0.05 * rate ? 1 : 0;
  }
  EXPECT_LE(stray, found.size() / 1000);
}

class GoldenGan : public testing::TestWithParam<std::size_t> {};

TEST_P(GoldenGan, StepReproducesGradientsLossesAndParameters) {
  const Golden& golden = goldens[GetParam()];
  SCOPED_TRACE(golden.name);
  const auto arrays = read_npz(std::string(CUGAD_SOURCE_DIR "/tests/golden/") + golden.name + ".npz");
  const Array &x = arrays.at("x"), &losses = arrays.at("losses"), &fake = arrays.at("fake_d");
  const double rate = arrays.at("lr").values[0];
  const DetectorOptions options = options_of(golden, x, arrays.at("z_d"), rate);
  const std::int64_t iterations = x.shape[0], batch = x.shape[1], columns = x.shape[2];

  const MethodNetworks networks = gan_networks(options, columns, 0);
  const Mlp &generator_mlp = networks.generator().trunk(), &discriminator_mlp = networks.discriminator().trunk();
  Buffers generator(generator_mlp), discriminator(discriminator_mlp);
  generator.load(arrays, "G0");
  discriminator.load(arrays, "D0");
  float scale = 1.0f, reports[7] = {};
  const auto one = [](float& value) { return StackView<float>(&value, 1, 1, 1); };
  const std::vector<float> data(static_cast<std::size_t>(columns));
  GanStep step(Device::open("cpu", 1).make_context(), options, networks,
               MatrixView<const float>(data.data(), 1, columns), 1);
  NetworkStates states;
  states[Role::generator] = generator.state();
  states[Role::discriminator] = discriminator.state();
  step.bind(0, states, one(scale),
            {one(reports[0]), one(reports[1]), one(reports[2]), one(reports[3]), one(reports[4]), one(reports[5]),
             one(reports[6])});

  for (std::int64_t t = 0; t < iterations; ++t) {
    SCOPED_TRACE("iteration " + std::to_string(t));
    fill(step.real(), x, t);
    fill(step.discriminator_latent(), arrays.at("z_d"), t);
    step.update_discriminator(t, 0, true);
    if (t == 0) {
      expect_gradient(discriminator_mlp, step.discriminator_gradient().data, discriminator.flattened(arrays, "gradD"));
      // The discriminator sees the generated rows right after the real ones.
      for (std::int64_t r = 0; r < batch; ++r)
        for (std::int64_t c = 0; c < columns; ++c) {
          const double value = fake.values[static_cast<std::size_t>(r * columns + c)];
          ASSERT_NEAR(step.real().model(0).row(batch + r)[c], value, 1e-5 * std::max(0.01, std::abs(value)));
        }
    }
    fill(step.generator_latent(), arrays.at("z_g"), t);
    step.update_generator(t, true);
    if (t == 0) expect_gradient(generator_mlp, step.generator_gradient().data, generator.flattened(arrays, "gradG"));
    const double* expected = losses.values.data() + 4 * t;
    EXPECT_NEAR(reports[0], expected[0], 1e-5 * std::abs(expected[0])) << "real part of the discriminator's loss";
    EXPECT_NEAR(reports[1], expected[1], 1e-5 * std::abs(expected[1])) << "generated part of the discriminator's loss";
    EXPECT_NEAR(reports[0] + reports[1], expected[2], 1e-5 * std::abs(expected[2]));
    EXPECT_NEAR(reports[2], expected[3], 1e-5 * std::abs(expected[3])) << "generator's loss";
    for (const auto& [report, gradient] :
         {std::pair(5, step.discriminator_gradient()), {6, step.generator_gradient()}}) {
      double squares = 0.0;
      for (std::int64_t i = 0; i < gradient.columns; ++i) squares += std::pow(double{gradient.data[i]}, 2.0);
      EXPECT_NEAR(reports[report], squares, 1e-6 * squares);
    }
  }
  expect_parameters(discriminator.parameter, discriminator.flattened(arrays, "D1"), rate, iterations);
  expect_parameters(generator.parameter, generator.flattened(arrays, "G1"), rate, iterations);
}

INSTANTIATE_TEST_SUITE_P(Settings, GoldenGan, testing::Range<std::size_t>(0, 3),
                         [](const auto& tested) { return std::string(goldens[tested.param].name); });

}  // namespace
}  // namespace cugad::test
