#include <gtest/gtest.h>

#include <cmath>

#include "host/methods/gan_networks.hpp"
#include "host/training/gan_step.hpp"
#include "tests/training/golden_values.hpp"

/// Whole GAN iterations against float64 automatic differentiation of another program (tests/golden/README.md, d).
namespace cugad::test {
namespace {

struct Golden {
  const char* name;
  std::vector<Layer> hidden, discriminator_hidden;
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
  const Array &x = arrays.at("x"), &losses = arrays.at("losses");
  const double rate = arrays.at("lr").values[0];
  const DetectorOptions options = options_of(golden, x, arrays.at("z_d"), rate);
  const std::int64_t iterations = x.shape[0], batch = x.shape[1], columns = x.shape[2];

  const MethodNetworks networks = gan_networks(options, columns, 0);
  const auto layers = [](const Network& network) { return numbered_layers(network.trunk().layers()); };
  GoldenNetwork generator(networks.generator(), layers(networks.generator()), arrays, "G0");
  GoldenNetwork discriminator(networks.discriminator(), layers(networks.discriminator()), arrays, "D0");
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  GanStep step(device.make_context(), options, networks, no_rows(arena, columns), 1);
  GoldenRun run(step);
  NetworkStates states;
  states[Role::generator] = generator.place(run.context(), run.arena);
  states[Role::discriminator] = discriminator.place(run.context(), run.arena);
  run.bind(states);

  // The first iteration again, with what rounding may do to it.
  BoundedParameters g = generator.bounded(), d = discriminator.bounded();
  BoundedComputation computation;
  BoundedRows& drawn = computation.network(networks.generator(), g, rows_of(computation, arrays.at("z_d")));
  const auto judged = [&](BoundedRows& rows) -> BoundedRows& {
    return computation.network(networks.discriminator(), d, rows);
  };
  computation.add_cross_entropy(judged(rows_of(computation, x)), 1.0, 1.0);
  computation.add_cross_entropy(judged(computation.detached(drawn)), 0.0, 1.0);
  computation.backward();
  BoundedParameters moved = d;
  moved.take_first_step(rate);
  BoundedRows& logit =
      computation.network(networks.discriminator(), moved,
                          computation.network(networks.generator(), g, rows_of(computation, arrays.at("z_g"))));
  // Minimax: the mean of log(1 - sigmoid(logit)).
  const bool minimax = golden.loss == GeneratorLoss::minimax;
  computation.add_cross_entropy(logit, minimax ? 0.0 : 1.0, minimax ? -1.0 : 1.0);
  computation.backward();

  for (std::int64_t t = 0; t < iterations; ++t) {
    SCOPED_TRACE("iteration " + std::to_string(t));
    fill(run.context(), step.real(), x, t);
    fill(run.context(), step.discriminator_latent(), arrays.at("z_d"), t);
    step.update_discriminator(t, 0, true);
    if (t == 0) {
      discriminator.expect(run.read(step.discriminator_gradient()), d.gradient, arrays, "gradD");
      // The discriminator sees the generated rows right after the real ones.
      StackView<float> seen = step.real();
      seen.data += batch * seen.row_stride;
      expect_same_reference(drawn.at, arrays.at("fake_d").values, "fake_d");
      expect_within(run.read(seen), drawn.at, "fake_d");
    }
    fill(run.context(), step.generator_latent(), arrays.at("z_g"), t);
    step.update_generator(t, true);
    if (t == 0) generator.expect(run.read(step.generator_gradient()), g.gradient, arrays, "gradG");
    const double* expected = losses.values.data() + 4 * t;
    const std::vector<float> reports = run.reports();
    EXPECT_NEAR(reports[0], expected[0], 1e-5 * std::abs(expected[0])) << "real part of the discriminator's loss";
    EXPECT_NEAR(reports[1], expected[1], 1e-5 * std::abs(expected[1])) << "generated part of the discriminator's loss";
    EXPECT_NEAR(reports[0] + reports[1], expected[2], 1e-5 * std::abs(expected[2]));
    EXPECT_NEAR(reports[2], expected[3], 1e-5 * std::abs(expected[3])) << "generator's loss";
    for (const auto& [report, gradient] :
         {std::pair(5, step.discriminator_gradient()), {6, step.generator_gradient()}}) {
      double squares = 0.0;
      for (const float value : run.read(gradient)) squares += std::pow(double{value}, 2.0);
      EXPECT_NEAR(reports[static_cast<std::size_t>(report)], squares, 1e-6 * squares);
    }
  }
  if (iterations == 1) {
    discriminator.expect(discriminator.parameters(run.context()), moved.parameter, arrays, "D1");
    g.take_first_step(rate);
    generator.expect(generator.parameters(run.context()), g.parameter, arrays, "G1");
  } else {
    expect_parameters(discriminator.parameters(run.context()), discriminator.flattened(arrays, "D1"), rate, iterations);
    expect_parameters(generator.parameters(run.context()), generator.flattened(arrays, "G1"), rate, iterations);
  }
}

INSTANTIATE_TEST_SUITE_P(Settings, GoldenGan, testing::Range<std::size_t>(0, 3),
                         [](const auto& tested) { return std::string(goldens[tested.param].name); });

}  // namespace
}  // namespace cugad::test
