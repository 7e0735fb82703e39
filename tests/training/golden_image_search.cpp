#include "host/methods/gan_networks.hpp"
#include "host/scores/layer_search.hpp"
#include "tests/training/golden_images.hpp"

/// The latent search through convolutions against float64 automatic differentiation of another program
/// (tests/golden/README.md, j).
namespace cugad::test {
namespace {

TEST(GoldenImageSearch, FindsTheGoldenLatentsAndLosses) {
  const Arrays arrays = read_npz(CUGAD_SOURCE_DIR "/tests/golden/anogan_conv_search.npz");
  DetectorOptions options;
  options.image = ImageShape{8, 8, 1};
  options.population = 1;
  options.latent = 6;
  options.generator_tanh = true;
  options.slope = 0.2f;
  set_option(options, "generator_hidden", "32bn,up4k4s2bn");
  set_option(options, "discriminator_hidden", "conv4k4s2,conv8k4s2bn");
  options.score = ScoreRule::search;
  options.search_steps = 5;
  options.search_rate = {0.02f};
  options.lambda = 0.1f;
  options.bank_rows = 1;
  options.discriminator_weight = 0.0f;
  const MethodNetworks networks = gan_networks(options, 64, 0);
  MethodNetworks plain = networks;
  for (Network& network : plain.networks) network = network.plain();
  AnomalyModel model(test_device(), options, plain);
  for (const auto& [role, name] : {std::pair(Role::generator, "G"), {Role::discriminator, "D"}}) {
    const GoldenImageNetwork network(networks[role]);
    place_weights(model, role, network.network.fold(network.trained(arrays, name, name)));
  }
  model.prepare();
  model.reserve(4);
  LayerSearch search;
  search.take_memory(model, 4);
  Context& context = model.context();
  Arena arena(context.backend());
  const StackView<float> x = arena.stack("x", 1, 4, 64), z = arena.stack("z", 1, 4, 6);
  const Array path = arrays.at("search_z");
  fill(context, x, arrays.at("x"));
  fill(context, z, path);
  search.search(model, x.model(0), z);
  const auto last = [](const Array& steps, std::size_t count) {
    return Array{{4, static_cast<std::int64_t>(count) / 4},
                 {steps.values.end() - static_cast<std::ptrdiff_t>(count), steps.values.end()}};
  };
  expect_values(download_rows(context, z.model(0)), last(path, 24), 1e-4, "latents");
  expect_values(download_rows(context, model.reconstruction(4).model(0)), arrays.at("search_G_z"), 1e-4, "rows");
  expect_values(download(context, model.loss(4).data, 4), last(arrays.at("search_loss"), 4), 1e-5, "losses");
}

}  // namespace
}  // namespace cugad::test
