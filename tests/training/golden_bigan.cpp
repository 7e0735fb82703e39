#include <gtest/gtest.h>

#include <cmath>

#include "host/methods/bigan.hpp"
#include "host/methods/encoder_model.hpp"
#include "tests/training/golden_values.hpp"

/// A whole EGBAD iteration and its scores against float64 automatic differentiation of another program
/// (tests/golden/README.md, f).
namespace cugad::test {
namespace {

const LayerNames joint_layers = {{"_x_W", "_x_b"}, {"_z_W", "_z_b"}, {"_y_W", "_y_b"}, {"_o_W", "_o_b"}};

DetectorOptions options_of(const Arrays& arrays) {
  DetectorOptions options;
  options.method = Method::egbad;
  options.population = 1;
  options.latent = 8;
  options.hidden = {8, 12};
  options.encoder_hidden = {12};
  options.data_branch = {12};
  options.latent_branch = {16};
  options.discriminator_hidden = {16};
  options.slope = 0.1f;
  options.batch = 50;
  options.learning_rate = options.discriminator_learning_rate = options.encoder_learning_rate =
      static_cast<float>(arrays.at("lr").values[0]);
  options.beta2 = 0.999f;
  options.final_rate = 1.0f;
  options.average_decay = options.r1 = options.coverage = options.fence = 0.0f;
  options.reconstruction = options.latent_cycle = 0.0f;
  return options;
}

struct Golden {
  Golden()
      : arrays(read_npz(CUGAD_SOURCE_DIR "/tests/golden/bigan_step_121.npz")),
        options(options_of(arrays)),
        networks(bigan_networks(options, 121, 0)),
        generator(networks.generator(), numbered_layers(3)),
        encoder(networks.encoder(), numbered_layers(2)),
        discriminator(networks.discriminator(), joint_layers) {
    generator.load(arrays, "G0");
    encoder.load(arrays, "E0");
    discriminator.load(arrays, "D0");
  }
  double value(const char* name) const { return arrays.at(name).values[0]; }

  Arrays arrays;
  DetectorOptions options;
  MethodNetworks networks;
  GoldenNetwork generator, encoder, discriminator;
};

TEST(GoldenBigan, StepReproducesGradientsLossesAndParameters) {
  Golden golden;
  float scale = 1.0f, reports[7] = {};
  const auto one = [](float& value) { return StackView<float>(&value, 1, 1, 1); };
  const std::vector<float> data(121);
  BiganStep step(Device::open("cpu", 1).make_context(), golden.options, golden.networks,
                 MatrixView<const float>(data.data(), 1, 121), 1);
  NetworkStates states;
  states[Role::generator] = golden.generator.state();
  states[Role::encoder] = golden.encoder.state();
  states[Role::discriminator] = golden.discriminator.state();
  step.bind(0, states, one(scale),
            {one(reports[0]), one(reports[1]), one(reports[2]), one(reports[3]), one(reports[4]), one(reports[5]),
             one(reports[6])});

  fill(step.real(), golden.arrays.at("x_d"));
  fill(step.discriminator_latent(), golden.arrays.at("z_d"));
  step.update_discriminator(0, 0, true);
  golden.discriminator.expect_gradient(step.discriminator_gradient().data,
                                       golden.discriminator.flattened(golden.arrays, "gradD"));
  fill(step.generator_real(), golden.arrays.at("x_ge"));
  fill(step.generator_latent(), golden.arrays.at("z_ge"));
  step.update_generator(0, true);
  golden.generator.expect_gradient(step.generator_gradient().data, golden.generator.flattened(golden.arrays, "gradG"));
  golden.encoder.expect_gradient(step.encoder_gradient().data, golden.encoder.flattened(golden.arrays, "gradE"));

  EXPECT_NEAR(reports[0] + reports[1], golden.value("loss_D"), 1e-5 * std::abs(golden.value("loss_D")));
  EXPECT_NEAR(reports[2], golden.value("loss_G"), 1e-5 * std::abs(golden.value("loss_G")));
  EXPECT_NEAR(step.encoder_loss().data[0], golden.value("loss_E"), 1e-5 * std::abs(golden.value("loss_E")));
  const double rate = golden.value("lr");
  expect_parameters(golden.discriminator.parameter, golden.discriminator.flattened(golden.arrays, "D1"), rate, 1);
  expect_parameters(golden.generator.parameter, golden.generator.flattened(golden.arrays, "G1"), rate, 1);
  expect_parameters(golden.encoder.parameter, golden.encoder.flattened(golden.arrays, "E1"), rate, 1);
}

/// Raw scores of the golden queries with the initial weights.
std::vector<float> scores_of(Golden& golden, const DetectorOptions& options) {
  EncoderModel model(Device::open("cpu", 1), options, golden.networks);
  for (const auto& [role, network] : {std::pair(Role::generator, &golden.generator),
                                      {Role::encoder, &golden.encoder},
                                      {Role::discriminator, &golden.discriminator}})
    std::copy(network->parameter.begin(), network->parameter.end(), model.weights(role).data);
  model.set_statistics({{}}, {{}});  // those of `standardise = false`
  model.prepare();
  const Array& x = golden.arrays.at("x_query");
  const std::vector<float> query(x.values.begin(), x.values.end());
  std::vector<float> scores(static_cast<std::size_t>(x.shape[0]));
  model.score({query.data(), x.shape[0], 121}, {scores.data(), 1, x.shape[0], 1});
  model.context().synchronize();
  return scores;
}

void expect_scores(const std::vector<float>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5 * std::abs(expected[i])) << i;
}

TEST(GoldenBigan, ScoresAreTheRawSumsOfThePaper) {
  Golden golden;
  DetectorOptions options = golden.options;
  options.score = ScoreRule::reconstruction;
  options.standardise = options.compress = false;
  options.discriminator_weight = 0.0f;
  options.lambda = 0.0f;
  expect_scores(scores_of(golden, options), golden.arrays.at("score_rec_l1").values);
  options.lambda = static_cast<float>(golden.value("w"));
  options.discrimination = Discrimination::feature_l1;
  expect_scores(scores_of(golden, options), golden.arrays.at("score_fm").values);
  options.discrimination = Discrimination::cross_entropy;
  expect_scores(scores_of(golden, options), golden.arrays.at("score_ce").values);
}

}  // namespace
}  // namespace cugad::test
