#include "host/backend/elementwise.hpp"
#include "host/methods/fanogan.hpp"
#include "host/methods/gan_networks.hpp"
#include "host/methods/methods.hpp"
#include "tests/training/golden_images.hpp"

/// Critics of images with and without layer normalisation, and f-AnoGAN's encoder, against float64 automatic
/// differentiation of another program (tests/golden/README.md, j).
namespace cugad::test {
namespace {

/// wgan_gp_conv's normalised critic; its windows are padded alike on all sides.
Mlp normalised_critic() {
  const auto convolution = [](ImageShape from, ImageShape to, int window, int stride) {
    LayerSpec layer;
    layer.out = static_cast<int>(cells_of(to));
    layer.convolves = true;
    layer.from = from;
    layer.to = to;
    layer.window = {.height = window, .width = window, .stride = stride, .pad_top = 1, .pad_left = 1};
    return layer;
  };
  const auto leaky = [](LayerSpec layer) {
    layer.activation = Activation::leaky_relu;
    layer.slope = 0.2f;
    return layer;
  };
  const auto normalisation = [&](ImageShape image) {
    LayerSpec layer;
    layer.out = static_cast<int>(cells_of(image));
    layer.to = image;
    layer.layer_norm = true;
    return leaky(layer);
  };
  const ImageShape image{9, 7, 2}, first{4, 3, 4}, second{4, 3, 5}, third{2, 2, 6};
  LayerSpec dense;
  return Mlp(126, {leaky(convolution(image, first, 4, 2)), convolution(first, second, 3, 1), normalisation(second),
                   convolution(second, third, 3, 2), normalisation(third), dense});
}

/// Gulrajani 2017: mean D(fake) - mean D(real) + 10 mean (|grad_x D| - 1)^2, and the gradients of the last term and of
/// all.
void expect_critic(const Network& critic, const std::string& name) {
  const Arrays arrays = read_golden("wgan_gp_conv");
  const GoldenImageNetwork golden(critic);
  Context context = test_device().make_context();
  Arena arena(context);
  const std::int64_t columns = critic.inputs();
  const auto take = [&](const char* what, std::int64_t rows, std::int64_t width) {
    return arena.stack(what, 1, rows, width);
  };
  const auto buffers = [&](const char* what) {
    return critic.carve(arena.take<float>(what, critic.buffer_floats(1, 4)), 1, 4);
  };
  const StackView<float> flat = take("parameters", 1, critic.parameters()), x = take("rows", 4, columns),
                         input_gradient = take("input gradient", 4, columns),
                         gradient = take("gradient", 1, critic.parameters());
  const std::vector<float> weights = golden.initial(arrays, name);
  context.backend().copy(flat.data, weights.data(), sizeof(float) * weights.size(), context.stream());
  cugad::fill(context, gradient, 0.0f);
  const Network::Buffers activations = buffers("activations"), tangents = buffers("tangents");
  const auto forward = [&](const char* rows) {
    fill(context, x, arrays.at(name + rows));
    critic.forward(context, flat, {.x = x}, activations);
  };
  forward("_x_interpolated");
  expect_values(download_rows(context, activations.result().model(0)), arrays.at(name + "_critic_interpolated"), 1e-5,
                name);
  critic.add_gradient_penalty(context, flat, {.x = x}, activations, {.x = input_gradient}, tangents,
                              {.scale = 10.0f / 4.0f, .target = 1.0f}, gradient);
  golden.expect(download_rows(context, gradient.model(0)), arrays, name + "_gradP", close, 1e-6);
  for (const bool is_real : {false, true}) {
    forward(is_real ? "_x_real" : "_x_fake");
    run(context, LinearLoss{.logit = activations.result(),
                            .weight = is_real ? -1.0f : 1.0f,
                            .dlogit = activations.result_gradient(),
                            .loss = {}});
    critic.backward(context, flat, {.x = x}, activations, gradient, {}, {.accumulate = true});
  }
  golden.expect(download_rows(context, gradient.model(0)), arrays, name + "_gradL", close, 1e-6);
}

TEST(GoldenCritics, LossOfConvolutionsReproducesItsGradients) {
  DetectorOptions options = image_options(Method::gan, 8, 4, 6, 0.2f);
  options.discriminator_hidden = {conv(4, 4, 2), conv(8, 4, 2)};
  expect_critic(gan_networks(options, 64, 0).discriminator(), "plain");
}

TEST(GoldenCritics, LossOfNormalisedConvolutionsReproducesItsGradients) {
  expect_critic(Network(normalised_critic()), "norm");
}

struct GoldenFanogan {
  GoldenFanogan()
      : arrays(read_golden("fanogan_conv_encoder")), options(image_options(Method::fanogan, 8, 4, 6, 0.2f)) {
    options.hidden = {bn(32), bn(up(4, 4, 2))};
    options.encoder_hidden = {conv(4, 4, 2), bn(conv(8, 4, 2))};
    options.discriminator_hidden = {conv(4, 4, 2), ln(conv(8, 4, 2))};
    options.encoder_tanh = true;
    options.encoder_training = EncoderTraining::izi_f;
    options.generator_loss = GeneratorLoss::wasserstein;
    options.kappa = 1.0f;
    options.steps = 1;
    networks = definition_of(Method::fanogan).networks(options, 64, 0);
  }
  std::vector<float> frozen(Role role, const char* name) const {
    return GoldenImageNetwork(networks[role]).trained(arrays, name, name);
  }
  Arrays arrays;
  DetectorOptions options;
  MethodNetworks networks;
};

/// Schlegl 2019's izi_f: G by its moving statistics, E by those of the batch, D's features behind a normalisation.
TEST(GoldenCritics, FanogansEncoderReproducesLossAndGradient) {
  const GoldenFanogan golden;
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  FanoganStep step(device.make_context(), golden.options, golden.networks, no_rows(arena, 64), 1);
  GoldenRun run(step);
  NetworkStates states;
  const GoldenImageNetwork encoder(golden.networks.encoder());
  states[Role::encoder] = encoder.place(run, golden.arrays, "E0");
  states[Role::generator] =
      GoldenImageNetwork(golden.networks.generator()).place(run, golden.frozen(Role::generator, "G"));
  states[Role::discriminator] =
      GoldenImageNetwork(golden.networks.discriminator()).place(run, golden.frozen(Role::discriminator, "D"));
  run.bind(states);
  fill(run.context(), step.real(), golden.arrays.at("x"));
  cugad::fill(run.context(), step.generator_latent(), 0.0f);
  step.freeze();
  step.update_encoder(1, true);
  expect_values(run.read(step.discriminator_latent()), golden.arrays.at("z"), 1e-5, "z");
  encoder.expect(run.read(step.encoder_gradient()), golden.arrays, "gradE", close);
  encoder.expect_statistics(run.read(states[Role::encoder].parameter), golden.arrays, "E", 0);
  const double loss = golden.arrays.at("loss").values[0];
  EXPECT_NEAR(run.reports()[2], loss, 1e-5 * loss);
}

TEST(GoldenCritics, FanoganScoresByMeansOfPixelsAndFeatures) {
  GoldenFanogan golden;
  golden.options.score = ScoreRule::reconstruction;
  golden.options.residual = Distance::squared;
  golden.options.discrimination = Discrimination::feature_squared;
  MethodNetworks plain = golden.networks;
  for (Network& network : plain.networks) network = network.plain();
  AnomalyModel model(test_device(), golden.options, plain);
  const auto place = [&](Role role, const std::vector<float>& trained) {
    place_weights(model, role, golden.networks[role].fold(trained));
  };
  place(Role::generator, golden.frozen(Role::generator, "G"));
  place(Role::discriminator, golden.frozen(Role::discriminator, "D"));
  place(Role::encoder, GoldenImageNetwork(golden.networks.encoder()).trained(golden.arrays, "E0", "query_E"));
  expect_values(score_rows(model, as_rows(golden.arrays.at("x"), 4)), golden.arrays.at("score"), 2e-5, "score");
}

}  // namespace
}  // namespace cugad::test
