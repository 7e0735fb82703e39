#include <gtest/gtest.h>

#include "host/methods/ganomaly.hpp"
#include "host/training/method_definition.hpp"
#include "tests/training/golden_values.hpp"

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

/// Relative to the element, or to a tenth of the largest: sums of 121 terms that cancel keep the rounding of the terms.
void expect_close(const StackView<float>& found, const Array& expected, const char* what) {
  double largest = 0.0;
  for (const double value : expected.values) largest = std::max(largest, std::abs(value));
  for (std::int64_t r = 0; r < found.rows; ++r)
    for (std::int64_t c = 0; c < found.columns; ++c) {
      const double value = expected.values[static_cast<std::size_t>(r * found.columns + c)];
      ASSERT_NEAR(found.model(0).row(r)[c], value, 1e-5 * std::max(0.1 * largest, std::abs(value))) << what;
    }
}

TEST(GoldenGanomaly, StepReproducesGradientsLossesAndParameters) {
  const auto arrays = read_npz(CUGAD_SOURCE_DIR "/tests/golden/ganomaly_121.npz");
  const DetectorOptions options = golden_options(arrays);
  const MethodNetworks networks = definition_of(Method::ganomaly).networks(options, 121, 0);
  const std::vector<float> data(121);
  GanomalyStep step(Device::open("cpu", 1).make_context(), options, networks,
                    MatrixView<const float>(data.data(), 1, 121), 1);
  constexpr std::pair<Role, const char*> prefixes[] = {
      {Role::encoder, "enc1"}, {Role::generator, "dec"}, {Role::second_encoder, "enc2"}, {Role::discriminator, "D"}};
  std::map<Role, GoldenNetwork> memory;
  NetworkStates states;
  for (const auto& [role, prefix] : prefixes) {
    const LayerNames names = numbered_layers(networks[role].trunk().layers());
    GoldenNetwork& buffers = memory.try_emplace(role, networks[role], names).first->second;
    buffers.load(arrays, prefix);
    states[role] = buffers.state();
  }
  float scale = 1.0f, reports[7] = {};
  const auto one = [](float& value) { return StackView<float>(&value, 1, 1, 1); };
  step.bind(0, states, one(scale), StepTelemetry::from({reports, 1, 1, 7}));

  fill(step.real(), arrays.at("x"), 0);
  step.forward(0);
  expect_close(step.rebuilt(), arrays.at("x_fake"), "G(E(x))");
  expect_close(step.latent(), arrays.at("z_i"), "E(x)");
  expect_close(step.second_latent(), arrays.at("z_o"), "E'(G(E(x)))");
  step.update_generator(0, true);
  step.update_discriminator(0, true);

  const StackView<float> gradients[] = {step.encoder_gradient(), step.generator_gradient(),
                                        step.second_encoder_gradient(), step.discriminator_gradient()};
  for (int i = 0; i < 4; ++i) {
    const auto& [role, prefix] = prefixes[i];
    SCOPED_TRACE(prefix);
    const GoldenNetwork& buffers = memory.at(role);
    buffers.expect_gradient(gradients[i].data, buffers.flattened(arrays, std::string("grad") + prefix));
    expect_parameters(buffers.parameter, buffers.flattened(arrays, std::string(prefix) + "_new"), options.learning_rate,
                      1);
  }
  const auto expect_loss = [&](float found, const char* name, double weight) {
    const double value = weight * arrays.at(name).values[0];
    EXPECT_NEAR(found, value, 1e-5 * value) << name;
  };
  expect_loss(step.losses().data[0], "err_adv", options.adversarial);
  expect_loss(step.losses().data[1], "err_con", options.contextual);
  expect_loss(step.losses().data[2], "err_enc", options.latent_cycle);
  expect_loss(reports[2], "err_g", 1.0);
  expect_loss(reports[0] + reports[1], "err_d", 1.0);
}

}  // namespace
}  // namespace cugad::test
