#include <gtest/gtest.h>

#include <cmath>

#include "host/methods/anogan.hpp"
#include "host/training/gan_step.hpp"
#include "tests/training/golden_values.hpp"

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
  GoldenNetwork generator(networks.generator(), numbered_layers(networks.generator().trunk().layers()));
  GoldenNetwork discriminator(networks.discriminator(), numbered_layers(networks.discriminator().trunk().layers()));
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
      discriminator.expect_gradient(step.discriminator_gradient().data, discriminator.flattened(arrays, "gradD"));
      // The discriminator sees the generated rows right after the real ones.
      for (std::int64_t r = 0; r < batch; ++r)
        for (std::int64_t c = 0; c < columns; ++c) {
          const double value = fake.values[static_cast<std::size_t>(r * columns + c)];
          ASSERT_NEAR(step.real().model(0).row(batch + r)[c], value, 1e-5 * std::max(0.01, std::abs(value)));
        }
    }
    fill(step.generator_latent(), arrays.at("z_g"), t);
    step.update_generator(t, true);
    if (t == 0) generator.expect_gradient(step.generator_gradient().data, generator.flattened(arrays, "gradG"));
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
