#include "host/methods/gan_networks.hpp"
#include "host/scores/inpainting.hpp"
#include "host/scores/layer_search.hpp"
#include "tests/common/random_words.hpp"
#include "tests/training/golden_images.hpp"

/// The latent search through convolutions against float64 automatic differentiation of another program
/// (tests/golden/README.md, j).
namespace cugad::test {
namespace {

constexpr std::int64_t rows = 4;

/// The golden networks, by which rows are searched.
struct GoldenSearch {
  explicit GoldenSearch(int restarts = 1) : arrays(read_npz(CUGAD_SOURCE_DIR "/tests/golden/anogan_conv_search.npz")) {
    options.restarts = restarts;
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
    model = std::make_unique<AnomalyModel>(test_device(), options, plain);
    for (const auto& [role, name] : {std::pair(Role::generator, "G"), {Role::discriminator, "D"}}) {
      const GoldenImageNetwork network(networks[role]);
      place_weights(*model, role, network.network.fold(network.trained(arrays, name, name)));
    }
    model->prepare();
    model->reserve(rows);
    search.take_memory(*model, rows);
  }
  /// The numbers of the last step.
  Array last(const char* name, std::size_t count) const {
    const Array& steps = arrays.at(name);
    return {{rows, static_cast<std::int64_t>(count) / rows},
            {steps.values.end() - static_cast<std::ptrdiff_t>(count), steps.values.end()}};
  }

  Arrays arrays;
  DetectorOptions options;
  std::unique_ptr<AnomalyModel> model;
  LayerSearch search;
};

TEST(GoldenImageSearch, FindsTheGoldenLatentsAndLosses) {
  GoldenSearch golden;
  const Arrays& arrays = golden.arrays;
  AnomalyModel& model = *golden.model;
  Context& context = model.context();
  Arena arena(context.backend());
  const StackView<float> x = arena.stack("x", 1, 4, 64), z = arena.stack("z", 1, 4, 6);
  fill(context, x, arrays.at("x"));
  fill(context, z, arrays.at("search_z"));
  golden.search.search(model, x.model(0), z);
  expect_values(download_rows(context, z.model(0)), golden.last("search_z", 24), 1e-4, "latents");
  expect_values(download_rows(context, model.reconstruction(4).model(0)), arrays.at("search_G_z"), 1e-4, "rows");
  expect_values(download(context, model.loss(4).data, 4), golden.last("search_loss", 4), 1e-5, "losses");
}

/// Yeh 2017: weights of visible pixels by a window of 3 x 3, and the prior.
TEST(GoldenImageSearch, InpaintingFindsTheGoldenLatentsAndImages) {
  const GoldenSearch golden;
  const Arrays& arrays = golden.arrays;
  const std::vector<double>& mask = arrays.at("mask").values;
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<bool> visible(64);
    for (std::size_t p = 0; p < 64; ++p) visible[p] = mask[64 * r + p] > 0.0;
    const std::vector<float> weights = context_weights(visible, 8, 8, 3);
    for (std::size_t p = 0; p < 64; ++p)
      EXPECT_NEAR(weights[p], arrays.at("mask_weight").values[64 * r + p], 1e-7) << r << " " << p;
  }
  Matrix shown(rows, 64), image(rows, 64);
  for (std::size_t i = 0; i < shown.data.size(); ++i) {
    shown.data[i] =
        mask[i] > 0.0 ? static_cast<float>(arrays.at("x").values[i]) : std::numeric_limits<float>::quiet_NaN();
  }
  Inpainter inpainter(*golden.model, rows, {.steps = 5, .rate = 0.02f, .prior = 0.1f, .window = 3});
  inpainter.start(shown);
  fill(golden.model->context(), inpainter.latents(), arrays.at("inpaint_z"));
  inpainter.search();
  inpainter.choose(image);
  expect_values(download_rows(golden.model->context(), inpainter.latents().model(0)), golden.last("inpaint_z", 24),
                1e-4, "latents");
  expect_values(image.data, arrays.at("inpaint_G_z"), 1e-4, "images");
  const std::vector<double>& blend = arrays.at("inpaint_blend").values;
  for (std::size_t i = 0; i < blend.size(); ++i)
    EXPECT_NEAR(std::isnan(shown.data[i]) ? image.data[i] : shown.data[i], blend[i], 1e-4) << i;
}

/// Of several restarts the row has the loss and the rebuilt row of the best, to the bit, however many go together.
TEST(GoldenImageSearch, RestartsAreSearchesOfTheirOwn) {
  constexpr std::int64_t restarts = 3;  // four searches at a time: one row
  RandomNumbers numbers(7);
  std::vector<float> starts(rows * restarts * 6);
  for (float& value : starts) value = static_cast<float>(numbers.normal());
  struct Found {
    std::vector<float> loss, rebuilt;
  };
  const auto found = [&](int of, const std::vector<float>& from) {
    GoldenSearch golden(of);
    AnomalyModel& model = *golden.model;
    Context& context = model.context();
    Arena arena(context.backend());
    const StackView<float> x = arena.stack("x", 1, rows, 64), z = arena.stack("z", 1, rows * of, 6);
    fill(context, x, golden.arrays.at("x"));
    context.backend().copy(z.data, from.data(), sizeof(float) * from.size(), context.stream());
    golden.search.search(model, x.model(0), z);
    return Found{download(context, model.loss(rows).data, rows),
                 download_rows(context, model.reconstruction(rows).model(0))};
  };
  const Found together = found(restarts, starts);
  std::vector<Found> alone;
  for (std::size_t k = 0; k < restarts; ++k) {
    std::vector<float> from;
    for (std::size_t r = 0; r < rows; ++r) {
      const auto first = starts.begin() + static_cast<std::ptrdiff_t>((r * restarts + k) * 6);
      from.insert(from.end(), first, first + 6);
    }
    alone.push_back(found(1, from));
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const Found& best = *std::min_element(alone.begin(), alone.end(),
                                          [&](const Found& a, const Found& b) { return a.loss[r] < b.loss[r]; });
    EXPECT_EQ(together.loss[r], best.loss[r]) << r;
    for (std::size_t c = 64 * r; c < 64 * (r + 1); ++c) EXPECT_EQ(together.rebuilt[c], best.rebuilt[c]) << c;
  }
}

}  // namespace
}  // namespace cugad::test
