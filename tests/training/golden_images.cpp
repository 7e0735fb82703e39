#include "tests/training/golden_images.hpp"

#include "host/backend/elementwise.hpp"
#include "host/methods/bigan.hpp"
#include "host/methods/gan_networks.hpp"
#include "host/methods/ganomaly.hpp"
#include "host/methods/methods.hpp"
#include "host/training/gan_step.hpp"

/// Whole iterations of convolutional GANs against float64 automatic differentiation of another program
/// (tests/golden/README.md, j). Statistics of batches divide: gradients keep four digits and more of float32's seven.
namespace cugad::test {
namespace {

void expect_loss(float found, const Arrays& arrays, const char* name, double weight = 1.0) {
  const double value = weight * arrays.at(name).values[0];
  EXPECT_NEAR(found, value, 1e-5 * std::abs(value)) << name;
}

TEST(GoldenImages, DcganStepsReproduceGradientsParametersAndStatistics) {
  const Arrays arrays = read_golden("dcgan_step");
  DetectorOptions options = image_options(Method::gan, 8, 5, 6, 0.2f);
  options.hidden = {bn(32), bn(up(4, 4, 2))};
  options.discriminator_hidden = {conv(4, 4, 2), bn(conv(8, 4, 2))};
  const MethodNetworks networks = gan_networks(options, 64, 0);
  const GoldenImageNetwork generator(networks.generator()), discriminator(networks.discriminator());
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  GanStep step(device.make_context(), options, networks, no_rows(arena, 64), 1);
  GoldenRun run(step);
  NetworkStates states;
  states[Role::generator] = generator.place(run, arrays, "G0");
  states[Role::discriminator] = discriminator.place(run, arrays, "D0");
  run.bind(states);
  const auto parameters = [&](Role role) { return run.read(states[role].parameter); };
  for (std::int64_t t = 0; t < 3; ++t) {
    SCOPED_TRACE("iteration " + std::to_string(t));
    const std::string number = std::to_string(t + 1);
    fill(run.context(), step.real(), arrays.at("x"), t);
    fill(run.context(), step.discriminator_latent(), arrays.at("z_d"), t);
    step.update_discriminator(t, 0, true);
    discriminator.expect(run.read(step.discriminator_gradient()), arrays, "gradD" + number, close);
    discriminator.expect_statistics(parameters(Role::discriminator), arrays, "D", t);
    fill(run.context(), step.generator_latent(), arrays.at("z_g"), t);
    step.update_generator(t, true);
    generator.expect(run.read(step.generator_gradient()), arrays, "gradG" + number, close);
    generator.expect_statistics(parameters(Role::generator), arrays, "G", t);
    // A part of Adam's step where a gradient is small.
    discriminator.expect(parameters(Role::discriminator), arrays, "D" + number, 0.02 * 2e-4, 1.0);
    generator.expect(parameters(Role::generator), arrays, "G" + number, 0.02 * 2e-4, 1.0);
    const std::vector<float> reports = run.reports();
    const double* losses = arrays.at("losses").values.data() + 4 * t;
    EXPECT_NEAR(reports[0], losses[0], 1e-5 * losses[0]);
    EXPECT_NEAR(reports[1], losses[1], 1e-5 * losses[1]);
    EXPECT_NEAR(reports[2], losses[3], 1e-5 * losses[3]);
  }
}

struct GoldenGanomaly {
  GoldenGanomaly()
      : arrays(read_golden("ganomaly_conv_step")), options(image_options(Method::ganomaly, 16, 4, 6, 0.2f)) {
    options.hidden = {bn(80), bn(up(3, 4, 2))};
    options.encoder_hidden = options.discriminator_hidden = {conv(3, 4, 2), bn(conv(5, 4, 2))};
    options.adversarial = options.latent_cycle = 1.0f;
    options.contextual = 50.0f;
    networks = definition_of(Method::ganomaly).networks(options, 256, 0);
    // A transposed convolution of one pixel is a dense layer whose outputs are the window's pixels, then its channels.
    for (auto& [name, array] : arrays) {
      if (!name.starts_with("dec_") && !name.starts_with("graddec_")) continue;
      if (!name.ends_with("W1")) continue;
      const std::vector<double> kernel = array.values;  // [channels, pixels, latent]
      const std::size_t channels = 5, pixels = 16, latent = 6;
      for (std::size_t o = 0; o < channels; ++o) {
        for (std::size_t p = 0; p < pixels; ++p)
          std::copy_n(kernel.begin() + static_cast<std::ptrdiff_t>((o * pixels + p) * latent), latent,
                      array.values.begin() + static_cast<std::ptrdiff_t>((p * channels + o) * latent));
      }
    }
  }
  Arrays arrays;
  DetectorOptions options;
  MethodNetworks networks;
};

constexpr std::pair<Role, const char*> ganomaly_names[] = {
    {Role::encoder, "enc1"}, {Role::generator, "dec"}, {Role::second_encoder, "enc2"}, {Role::discriminator, "D"}};

TEST(GoldenImages, GanomalyStepReproducesGradientsLossesAndParameters) {
  const GoldenGanomaly golden;
  const Arrays& arrays = golden.arrays;
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  GanomalyStep step(device.make_context(), golden.options, golden.networks, no_rows(arena, 256), 1);
  GoldenRun run(step);
  NetworkStates states;
  for (const auto& [role, name] : ganomaly_names)
    states[role] = GoldenImageNetwork(golden.networks[role]).place(run, arrays, name);
  run.bind(states);
  fill(run.context(), step.real(), arrays.at("x"));
  step.forward(0);
  expect_values(run.read(step.rebuilt()), arrays.at("x_fake"), 1e-5, "x_fake");
  expect_values(run.read(step.latent()), arrays.at("z_i"), 1e-5, "z_i");
  expect_values(run.read(step.second_latent()), arrays.at("z_o"), 1e-5, "z_o");
  step.update_generator(0, true);
  step.update_discriminator(0, true);
  const StackView<float> gradients[] = {step.encoder_gradient(), step.generator_gradient(),
                                        step.second_encoder_gradient(), step.discriminator_gradient()};
  for (int i = 0; i < 4; ++i) {
    const auto& [role, name] = ganomaly_names[i];
    const GoldenImageNetwork network(golden.networks[role]);
    const std::vector<float> parameters = run.read(states[role].parameter);
    network.expect(run.read(gradients[i]), arrays, std::string("grad") + name, close);
    network.expect(parameters, arrays, std::string(name) + "_new", 0.02 * 2e-4, 1.0);
    network.expect_statistics(parameters, arrays, name, 0);
  }
  const std::vector<float> losses = run.read(step.losses()), reports = run.reports();
  expect_loss(losses[0], arrays, "err_adv");
  expect_loss(losses[1], arrays, "err_con", 50.0);
  expect_loss(losses[2], arrays, "err_enc");
  expect_loss(reports[2], arrays, "err_g");
  expect_loss(reports[0] + reports[1], arrays, "err_d");
}

/// The score is the root of the golden mean square times the latent size.
TEST(GoldenImages, GanomalyScoresByMovingStatistics) {
  GoldenGanomaly golden;
  golden.options.score = ScoreRule::latent;
  golden.options.residual = Distance::l2;
  MethodNetworks plain = golden.networks;
  for (Network& network : plain.networks) network = network.plain();
  AnomalyModel model(test_device(), golden.options, plain);
  for (const auto& [role, name] : ganomaly_names) {
    const GoldenImageNetwork network(golden.networks[role]);
    place_weights(model, role,
                  network.network.fold(network.trained(golden.arrays, name, std::string("query_") + name)));
  }
  const std::vector<float> found = score_rows(model, as_rows(golden.arrays.at("x_query"), 4));
  for (std::size_t r = 0; r < found.size(); ++r) {
    const double distance = std::sqrt(golden.arrays.at("score").values[r] * 6.0);
    EXPECT_NEAR(found[r], distance, 2e-5 * distance) << r;
  }
}

struct GoldenEgbad {
  GoldenEgbad() : arrays(read_golden("egbad_conv_step")), options(image_options(Method::egbad, 8, 5, 6, 0.1f)) {
    options.hidden = {80};
    options.encoder_hidden = {conv(4, 3, 1), bn(conv(6, 3, 2))};
    options.data_branch = {conv(4, 4, 2), bn(conv(6, 4, 2))};
    options.latent_branch = {7};
    options.discriminator_hidden = {9};
    networks = bigan_networks(options, 64, 0);
    // As in EGBAD's code: the dense layer is normalised by features, and the convolution behind it has a list of its
    // own.
    LayerSpec dense{80, Activation::relu}, last{64, Activation::tanh};
    dense.batch_norm = last.convolves = true;
    last.from = {4, 4, 5};
    last.to = {8, 8, 1};
    last.window = {.height = 4, .width = 4, .stride = 2, .pad_top = 1, .pad_left = 1, .transposed = true};
    networks[Role::generator] = Network(Mlp(6, {dense, last}));
  }
  GoldenImageNetwork network(Role role) const {
    if (role == Role::discriminator) return {networks[role], {"_x", "_z", "_t"}};
    return {networks[role]};
  }
  Arrays arrays;
  DetectorOptions options;
  MethodNetworks networks;
};

TEST(GoldenImages, EgbadStepReproducesGradientsLossesAndParameters) {
  const GoldenEgbad golden;
  const Arrays& arrays = golden.arrays;
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  BiganStep step(device.make_context(), golden.options, golden.networks, no_rows(arena, 64), 1);
  GoldenRun run(step);
  NetworkStates states;
  constexpr std::pair<Role, const char*> names[] = {
      {Role::generator, "G"}, {Role::encoder, "E"}, {Role::discriminator, "D"}};
  for (const auto& [role, name] : names)
    states[role] = golden.network(role).place(run, arrays, std::string(name) + "0");
  run.bind(states);
  fill(run.context(), step.real(), arrays.at("x_d"));
  fill(run.context(), step.discriminator_latent(), arrays.at("z_d"));
  step.update_discriminator(0, 0, true);
  golden.network(Role::discriminator).expect(run.read(step.discriminator_gradient()), arrays, "gradD", close);
  fill(run.context(), step.generator_real(), arrays.at("x_ge"));
  fill(run.context(), step.generator_latent(), arrays.at("z_ge"));
  step.update_generator(0, true);
  golden.network(Role::generator).expect(run.read(step.generator_gradient()), arrays, "gradG", close);
  golden.network(Role::encoder).expect(run.read(step.encoder_gradient()), arrays, "gradE", close);
  for (const auto& [role, name] : names) {
    const std::vector<float> parameters = run.read(states[role].parameter);
    golden.network(role).expect(parameters, arrays, std::string(name) + "1", 0.02 * 2e-4, 1.0);
    golden.network(role).expect_statistics(parameters, arrays, name, 0);
  }
  const std::vector<float> reports = run.reports();
  expect_loss(reports[0], arrays, "loss_D_real");
  expect_loss(reports[1], arrays, "loss_D_fake");
  expect_loss(reports[2], arrays, "loss_G");
  expect_loss(run.read(step.encoder_loss())[0], arrays, "loss_E");
}

TEST(GoldenImages, EgbadScoresByMovingStatistics) {
  for (const bool by_features : {true, false}) {
    GoldenEgbad golden;
    golden.options.score = ScoreRule::reconstruction;
    golden.options.lambda = static_cast<float>(golden.arrays.at("w").values[0]);
    golden.options.discrimination = by_features ? Discrimination::feature_l1 : Discrimination::cross_entropy;
    MethodNetworks plain = golden.networks;
    for (Network& network : plain.networks) network = network.plain();
    AnomalyModel model(test_device(), golden.options, plain);
    for (const auto& [role, name] :
         {std::pair(Role::generator, "G"), {Role::encoder, "E"}, {Role::discriminator, "D"}}) {
      const GoldenImageNetwork network = golden.network(role);
      place_weights(
          model, role,
          network.network.fold(network.trained(golden.arrays, std::string(name) + "0", std::string("query_") + name)));
    }
    const char* name = by_features ? "score_fm" : "score_ce";
    expect_values(score_rows(model, as_rows(golden.arrays.at("x_query"), 4)), golden.arrays.at(name), 2e-5, name);
  }
}

}  // namespace
}  // namespace cugad::test
