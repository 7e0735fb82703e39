#include <gtest/gtest.h>

#include "host/methods/gain.hpp"
#include "host/methods/methods.hpp"
#include "tests/training/golden_scores.hpp"

/// A step of GAIN and its scores against float64 values of another program (tests/golden/gain.py).
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 9;

DetectorOptions golden_options() {
  DetectorOptions options;
  options.method = Method::gain;
  options.population = 1;
  options.hidden = options.discriminator_hidden = {8};
  options.slope = 0.25f;
  options.batch = 12;
  options.learning_rate = options.discriminator_learning_rate = 1e-3f;
  options.adversarial = 0.5f;
  options.final_rate = 1.0f;
  options.average_decay = 0.0f;
  return options;
}

MethodNetworks golden_networks(const DetectorOptions& options) {
  MethodNetworks networks = definition_of(Method::gain).networks(options, columns, 0);
  networks.group = {0, 1, 2, 3, 4, 5, 5, 5, 8};
  return networks;
}

Arrays golden_arrays() { return read_npz(CUGAD_SOURCE_DIR "/tests/golden/gain.npz"); }

void expect_values(const std::vector<float>& found, const std::vector<double>& expected, double tolerance,
                   const char* name) {
  ASSERT_EQ(found.size(), expected.size()) << name;
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], tolerance * (1.0 + std::abs(expected[i]))) << name << ", element " << i;
  }
}

/// A category, missing cells and a row without a hidden cell among the rows.
TEST(GoldenGain, StepReproducesGradientsLossesAndParameters) {
  const Arrays arrays = golden_arrays();
  const DetectorOptions options = golden_options();
  const MethodNetworks networks = golden_networks(options);
  const auto network = [&](Role role, const char* prefix) {
    return GoldenNetwork(networks[role], numbered_layers(2), arrays, prefix);
  };
  GoldenNetwork generator = network(Role::generator, "G"), discriminator = network(Role::discriminator, "D");
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  GainStep step(device.make_context(), options, networks, no_rows(arena, columns), 1);
  GoldenRun run(step);
  NetworkStates states;
  states[Role::generator] = generator.place(run.context(), run.arena);
  states[Role::discriminator] = discriminator.place(run.context(), run.arena);
  run.bind(states);

  Array shown{{options.batch, columns}, arrays.at("x").values};
  for (std::size_t i = 0; i < shown.values.size(); ++i) {
    if (arrays.at("mask").values[i] != 0.0) shown.values[i] = 0.0;
  }
  Array real{{options.batch, columns}, arrays.at("x").values};
  for (double& value : real.values) value = std::isnan(value) ? 0.0 : value;
  fill(run.context(), step.given(), arrays.at("x"));
  fill(run.context(), step.real(), real);
  fill(run.context(), step.masked().slice_columns(0, columns), shown);
  fill(run.context(), step.mask(), arrays.at("mask"));
  fill(run.context(), step.noise(), arrays.at("noise"));
  step.impute(0);
  expect_values(run.read(step.imputed()), arrays.at("imputed").values, 2e-6, "imputed");
  step.update_discriminator(0, true);
  expect_values(run.read(step.discriminator_gradient()), discriminator.flattened(arrays, "gradD"), 1e-6, "gradD");
  step.update_generator(0, true);
  expect_values(run.read(step.generator_gradient()), generator.flattened(arrays, "gradG"), 2e-6, "gradG");
  const std::vector<float> reports = run.reports();
  expect_values({reports[0], reports[1]}, arrays.at("losses_D").values, 1e-6, "losses of D");
  expect_values({reports[2]}, arrays.at("loss_G").values, 1e-6, "loss of G");
  // A first step of Adam is the rate times the sign of all but tiny gradients.
  expect_values(discriminator.parameters(run.context()), discriminator.flattened(arrays, "D_new"), 1e-5, "D");
  expect_values(generator.parameters(run.context()), generator.flattened(arrays, "G_new"), 1e-5, "G");
}

/// Two models, each of which has not seen one half of the calibration rows.
TEST(GoldenGain, ScoresAreRanksAmongHeldOutRows) {
  const Arrays arrays = golden_arrays();
  DetectorOptions options = golden_options();
  options.score = ScoreRule::likelihood;
  options.population = options.folds = 2;
  options.seed = 7;
  options.discriminator_weight = 0.5f;
  options.standardise = options.compress = false;
  const MethodNetworks networks = golden_networks(options);
  AnomalyModel model(test_device(), options, networks);
  Context& context = model.context();
  for (const auto& [role, prefix] : {std::pair(Role::generator, "G"), std::pair(Role::discriminator, "D")}) {
    for (std::int64_t m = 0; m < 2; ++m) {
      const GoldenNetwork network(networks[role], numbered_layers(2), arrays, prefix + std::to_string(m));
      context.backend().copy(model.weights(role).model(m).data, network.initial.data(),
                             sizeof(float) * network.initial.size(), context.stream());
      context.synchronize();
    }
  }
  model.prepare();
  Arena arena(context.backend());
  const auto upload = [&](const char* name) {
    const Array& rows = arrays.at(name);
    const StackView<float> view = arena.stack(name, 1, rows.shape[0], columns);
    fill(context, view, rows);
    return view.model(0);
  };
  const std::vector<std::vector<float>> calibrated = model.calibrate(upload("calibration"), {0, 10, 20}, {});
  expect_values(calibrated.at(0), arrays.at("calibration_scores").values, 1e-5, "calibration scores");
  const MatrixView<float> queries = upload("queries");
  const StackView<float> scores = arena.stack("scores", 1, queries.rows, 1);
  std::vector<float> ranks(static_cast<std::size_t>(queries.rows * columns));
  model.score(queries, scores, {}, ranks.data());
  expect_values(download_rows(context, scores.model(0)), arrays.at("query_scores").values, 1e-5, "scores");
  const std::vector<double>& of_cells = arrays.at("query_ranks").values;  // a category's is in its first column
  std::vector<double> expected(ranks.size(), 0.0);
  for (std::size_t i = 0; i < of_cells.size(); ++i) {
    const std::size_t r = i / 7, cell = i % 7;
    expected[r * columns + (cell == 6 ? 8 : cell)] = of_cells[i];
  }
  expect_values(ranks, expected, 1e-5, "ranks");
}

}  // namespace
}  // namespace cugad::test
