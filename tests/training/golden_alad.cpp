#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "host/methods/alad.hpp"
#include "host/methods/encoder_model.hpp"
#include "tests/training/golden_values.hpp"

/// ALAD's losses, gradients and scores against float64 automatic differentiation of another program
/// (tests/golden/README.md, h).
namespace cugad::test {
namespace {

const LayerNames joint_layers = {{"_x_W", "_x_b"}, {"_z_W", "_z_b"}, {"_y_W", "_y_b"}, {"_o_W", "_o_b"}};
constexpr int columns = 121, latent = 8, rows = 50;

/// The paper's losses alone, and rates of 0: every gradient is one at the given parameters.
DetectorOptions paper_options() {
  DetectorOptions options;
  options.method = Method::alad;
  options.population = 1;
  options.latent = latent;
  options.batch = rows;
  options.learning_rate = options.discriminator_learning_rate = options.encoder_learning_rate = 0.0f;
  options.average_decay = options.r1 = options.coverage = options.fence = 0.0f;
  options.reconstruction = options.latent_cycle = 0.0f;
  return options;
}

Mlp two_layers(int in, int hidden, Activation activation, float slope, int out) {
  return {in, {{hidden, activation, slope}, {out}}};
}

MethodNetworks golden_networks() {
  const Activation leaky = Activation::leaky_relu;
  MethodNetworks networks;
  networks.columns = columns;
  networks.latent = latent;
  networks[Role::generator] = Network(two_layers(latent, 16, Activation::relu, 0.0f, columns));
  networks[Role::encoder] = Network(two_layers(columns, 16, leaky, 0.1f, latent));
  networks[Role::discriminator] =
      Network(Mlp(columns, {{16, leaky, 0.1f}}), Mlp(latent, {{16, leaky, 0.1f}}), two_layers(32, 16, leaky, 0.1f, 1));
  networks[Role::cycle_discriminator] = Network(two_layers(2 * columns, 16, leaky, 0.2f, 1));
  networks[Role::latent_discriminator] = Network(two_layers(2 * latent, 16, leaky, 0.2f, 1));
  return networks;
}

struct Golden {
  Golden()
      : arrays(read_npz(CUGAD_SOURCE_DIR "/tests/golden/alad_121.npz")),
        networks(golden_networks()),
        parts{{Role::generator, "G", {networks[Role::generator], numbered_layers(2)}},
              {Role::encoder, "E", {networks[Role::encoder], numbered_layers(2)}},
              {Role::discriminator, "Dxz", {networks[Role::discriminator], joint_layers}},
              {Role::cycle_discriminator, "Dxx", {networks[Role::cycle_discriminator], numbered_layers(2)}},
              {Role::latent_discriminator, "Dzz", {networks[Role::latent_discriminator], numbered_layers(2)}}} {
    for (Part& part : parts) part.network.load(arrays, part.prefix);
  }
  double value(const char* name) const { return arrays.at(name).values[0]; }

  struct Part {
    Role role;
    std::string prefix;
    GoldenNetwork network;
  };
  Arrays arrays;
  MethodNetworks networks;
  std::vector<Part> parts;
};

/// The mean of softplus(sign * logit) over a half of the pairs.
double mean_softplus(const Network::Buffers& buffers, int half, double sign) {
  double sum = 0.0;
  for (int r = 0; r < rows; ++r) sum += std::log1p(std::exp(sign * buffers.result().model(0).row(half * rows + r)[0]));
  return sum / rows;
}

TEST(GoldenAlad, StepReproducesLossesAndGradients) {
  Golden golden;
  float scale = 1.0f, reports[7] = {};
  const auto one = [](float& value) { return StackView<float>(&value, 1, 1, 1); };
  const std::vector<float> data(columns);
  AladStep step(Device::open("cpu", 1).make_context(), paper_options(), golden.networks,
                MatrixView<const float>(data.data(), 1, columns), 1);
  NetworkStates states;
  for (Golden::Part& part : golden.parts) states[part.role] = part.network.state();
  step.bind(0, states, one(scale),
            {one(reports[0]), one(reports[1]), one(reports[2]), one(reports[3]), one(reports[4]), one(reports[5]),
             one(reports[6])});
  fill(step.real(), golden.arrays.at("x"));
  fill(step.latent(), golden.arrays.at("z"));
  step.update_discriminators(0, 0, true);
  step.update_generator(0, true);
  for (const Golden::Part& part : golden.parts) {
    SCOPED_TRACE(part.prefix);
    // In D(x, x') the real and the fake pair share x, and their terms cancel to a few of their digits: twice the usual.
    part.network.expect_gradient(step.gradient(part.role).data,
                                 part.network.flattened(golden.arrays, "grad_" + part.prefix),
                                 part.role == Role::cycle_discriminator ? 2e-5 : 1e-5);
  }

  const auto near = [](double found, double expected) { EXPECT_NEAR(found, expected, 1e-5 * std::abs(expected)); };
  near(reports[0] + reports[1], golden.value("dis_xz") + golden.value("dis_xx") + golden.value("dis_zz"));
  const auto buffers = [&](Role role) { return step.buffers(role); };
  const Network::Buffers xz = buffers(Role::discriminator), xx = buffers(Role::cycle_discriminator),
                         zz = buffers(Role::latent_discriminator);
  near(mean_softplus(xz, 0, -1.0) + mean_softplus(xz, 1, 1.0), golden.value("dis_xz"));
  near(mean_softplus(xx, 0, -1.0) + mean_softplus(xx, 1, 1.0), golden.value("dis_xx"));
  near(mean_softplus(zz, 0, -1.0) + mean_softplus(zz, 1, 1.0), golden.value("dis_zz"));
  // The paper counts the real cycle pairs, too, which neither G nor E can change.
  const double constant = mean_softplus(xx, 0, 1.0) + mean_softplus(zz, 0, 1.0);
  near(reports[2] + constant, golden.value("loss_gen"));
  near(mean_softplus(xz, 0, 1.0) + golden.value("cost_x") + golden.value("cost_z"), golden.value("loss_enc"));
}

std::vector<float> scores_of(Golden& golden, ScoreRule rule, Distance residual) {
  DetectorOptions options = paper_options();
  options.score = rule;
  options.residual = residual;
  options.standardise = options.compress = false;
  options.discriminator_weight = options.lambda = 0.0f;
  EncoderModel model(Device::open("cpu", 1), options, golden.networks);
  for (const Golden::Part& part : golden.parts)
    std::copy(part.network.parameter.begin(), part.network.parameter.end(), model.weights(part.role).data);
  model.set_statistics(std::vector<ScoreStatistics>(1), std::vector<ScoreStatistics>(1));
  model.prepare();
  const Array& x = golden.arrays.at("x");
  const std::vector<float> query(x.values.begin(), x.values.end());
  std::vector<float> scores(rows);
  model.score({query.data(), rows, columns}, {scores.data(), 1, rows, 1});
  model.context().synchronize();
  return scores;
}

TEST(GoldenAlad, TheFourScores) {
  Golden golden;
  const auto check = [&](const char* name, ScoreRule rule, Distance residual) {
    SCOPED_TRACE(name);
    const std::vector<float> found = scores_of(golden, rule, residual);
    const std::vector<double>& expected = golden.arrays.at(name).values;
    for (int r = 0; r < rows; ++r) EXPECT_NEAR(found[r], expected[r], 1e-5 * std::abs(expected[r])) << r;
  };
  check("score_ch", ScoreRule::cycle_logits, Distance::l1);
  check("score_fm", ScoreRule::cycle_features, Distance::l1);
  check("score_l1", ScoreRule::reconstruction, Distance::l1);
  check("score_l2", ScoreRule::reconstruction, Distance::l2);
}

}  // namespace
}  // namespace cugad::test
