#include <gtest/gtest.h>

#include "host/methods/ganomaly.hpp"
#include "host/methods/methods.hpp"
#include "tests/training/golden_scores.hpp"

/// A whole GANomaly iteration against float64 automatic differentiation of another program (tests/golden/README.md, g).
namespace cugad::test {
namespace {

DetectorOptions golden_options(const std::map<std::string, Array>& arrays) {
  const auto number = [&](const char* name) { return static_cast<float>(arrays.at(name).values[0]); };
  DetectorOptions options;
  options.method = Method::ganomaly;
  options.population = 1;
  options.latent = 7;
  options.hidden = options.encoder_hidden = {10};
  options.discriminator_hidden = {10, 7};
  options.slope = 0.2f;
  options.batch = 50;
  options.learning_rate = options.discriminator_learning_rate = number("lr");
  options.adversarial = number("w_adv");
  options.contextual = number("w_con");
  options.latent_cycle = number("w_enc");
  options.beta1 = 0.5f;
  options.beta2 = 0.999f;
  options.final_rate = 1.0f;
  options.average_decay = options.r1 = 0.0f;
  return options;
}

constexpr std::pair<Role, const char*> prefixes[] = {
    {Role::encoder, "enc1"}, {Role::generator, "dec"}, {Role::second_encoder, "enc2"}, {Role::discriminator, "D"}};

std::map<Role, GoldenNetwork> golden_networks(const MethodNetworks& networks, const Arrays& arrays) {
  std::map<Role, GoldenNetwork> golden;
  for (const auto& [role, prefix] : prefixes)
    golden.try_emplace(role, networks[role], numbered_layers(networks[role].trunk().layers()), arrays, prefix);
  return golden;
}

TEST(GoldenGanomaly, StepReproducesGradientsLossesAndParameters) {
  const auto arrays = read_npz(CUGAD_SOURCE_DIR "/tests/golden/ganomaly_121.npz");
  const DetectorOptions options = golden_options(arrays);
  const MethodNetworks networks = definition_of(Method::ganomaly).networks(options, 121, 0);
  std::map<Role, GoldenNetwork> golden = golden_networks(networks, arrays);
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  GanomalyStep step(device.make_context(), options, networks, no_rows(arena, 121), 1);
  GoldenRun run(step);
  NetworkStates states;
  for (auto& [role, network] : golden) states[role] = network.place(run.context(), run.arena);
  run.bind(states);

  // The effect of rounding: D sees x and x' once, and takes its own gradient from these logits.
  std::map<Role, BoundedParameters> bounded;
  for (const auto& [role, network] : golden) bounded.try_emplace(role, network.bounded());
  BoundedComputation computation;
  const auto pass = [&](Role role, BoundedRows& rows) -> BoundedRows& {
    return computation.network(networks[role], bounded.at(role), rows);
  };
  BoundedRows& x = rows_of(computation, arrays.at("x"));
  BoundedRows& z = pass(Role::encoder, x);
  BoundedRows& rebuilt = pass(Role::generator, z);
  BoundedRows& again = pass(Role::second_encoder, rebuilt);
  pass(Role::discriminator, x);
  BoundedRows& real_features = computation.detached(computation.features());
  pass(Role::discriminator, rebuilt);
  computation.add_square(real_features, computation.features(), options.adversarial);
  computation.add_distance(x, rebuilt, options.contextual);
  computation.add_square(z, again, options.latent_cycle);
  computation.backward();
  BoundedParameters& d = bounded.at(Role::discriminator);
  d = golden.at(Role::discriminator).bounded();
  computation.add_cross_entropy(pass(Role::discriminator, x), 1.0, 0.5);
  computation.add_cross_entropy(pass(Role::discriminator, computation.detached(rebuilt)), 0.0, 0.5);
  computation.backward();

  fill(run.context(), step.real(), arrays.at("x"));
  step.forward(0);
  const auto expect_rows = [&](const StackView<float>& found, const BoundedRows& expected, const char* name) {
    expect_same_reference(expected.at, arrays.at(name).values, name);
    expect_within(run.read(found), expected.at, name);
  };
  expect_rows(step.rebuilt(), rebuilt, "x_fake");
  expect_rows(step.latent(), z, "z_i");
  expect_rows(step.second_latent(), again, "z_o");
  step.update_generator(0, true);
  step.update_discriminator(0, true);

  const StackView<float> gradients[] = {step.encoder_gradient(), step.generator_gradient(),
                                        step.second_encoder_gradient(), step.discriminator_gradient()};
  for (int i = 0; i < 4; ++i) {
    const auto& [role, prefix] = prefixes[i];
    const GoldenNetwork& network = golden.at(role);
    BoundedParameters& expected = bounded.at(role);
    network.expect(run.read(gradients[i]), expected.gradient, arrays, std::string("grad") + prefix);
    expected.take_first_step(arrays.at("lr").values[0]);
    network.expect(network.parameters(run.context()), expected.parameter, arrays, std::string(prefix) + "_new");
  }
  const auto expect_loss = [&](float found, const char* name, double weight) {
    const double value = weight * arrays.at(name).values[0];
    EXPECT_NEAR(found, value, 1e-5 * value) << name;
  };
  const std::vector<float> losses = run.read(step.losses()), reports = run.reports();
  expect_loss(losses[0], "err_adv", options.adversarial);
  expect_loss(losses[1], "err_con", options.contextual);
  expect_loss(losses[2], "err_enc", options.latent_cycle);
  expect_loss(reports[2], "err_g", 1.0);
  expect_loss(reports[0] + reports[1], "err_d", 1.0);
}

/// The mean square of E(x) - E'(G(E(x))); the score is its root times that of the latent size.
TEST(GoldenGanomaly, ScoreIsTheLatentDistance) {
  const auto arrays = read_npz(CUGAD_SOURCE_DIR "/tests/golden/ganomaly_121.npz");
  DetectorOptions options = golden_options(arrays);
  options.score = ScoreRule::latent;
  options.residual = Distance::l2;
  options.standardise = options.compress = false;
  options.discriminator_weight = 0.0f;
  const MethodNetworks networks = definition_of(Method::ganomaly).networks(options, 121, 0);
  AnomalyModel model(test_device(), options, networks);
  for (const auto& [role, network] : golden_networks(networks, arrays)) place_weights(model, role, network.initial);
  const std::vector<float> found = score_rows(model, arrays.at("x"));
  const std::vector<double>& expected = arrays.at("score").values;
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t r = 0; r < found.size(); ++r) {
    const double distance = std::sqrt(expected[r] * options.latent);
    EXPECT_NEAR(found[r], distance, 1e-5 * distance) << r;
  }
}

}  // namespace
}  // namespace cugad::test
