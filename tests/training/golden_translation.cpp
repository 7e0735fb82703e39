#include "host/methods/translation.hpp"
#include "tests/training/golden_images.hpp"

/// Pix2pix on images, a U-Net and a discriminator of patches, against float64 automatic differentiation of another
/// program (tests/golden/README.md, j). Statistics of batches divide: gradients keep four digits and more.
namespace cugad::test {
namespace {

constexpr std::int64_t pixels = 12 * 8, batch = 3;
constexpr double close = 1e-4;

LayerSpec convolution(ImageShape from, ImageShape to, int size, int stride, bool transposed, Activation activation) {
  LayerSpec layer;
  layer.out = static_cast<int>(cells_of(to));
  layer.activation = activation;
  layer.slope = activation == Activation::leaky_relu ? 0.2f : 0.0f;
  layer.convolves = true;
  layer.from = from;
  layer.to = to;
  layer.window = {.height = size, .width = size, .stride = stride, .pad_top = 1, .pad_left = 1};
  layer.window.transposed = transposed;
  return layer;
}

/// e1, e2, d2 and d1 of the golden U-Net are its layers 1 to 4. A row is [target | source]: in D the target's channel
/// comes first.
Arrays in_the_order_of_the_library(const Arrays& arrays) {
  Arrays renamed;
  for (const auto& [name, array] : arrays) {
    if (name.find("every") != std::string::npos) continue;  // the library's statistics are those of own calls
    std::string own = name;
    int layer = 0;
    for (const char* part : {"_e1_", "_e2_", "_d2_", "_d1_"}) {
      ++layer;
      const std::size_t at = own.find(part);
      if (at == std::string::npos) continue;
      own.erase(at, 3);
      own[own.find('1', own.find_last_of("Wbsme"))] = static_cast<char>('0' + layer);
    }
    Array& copy = renamed[own] = array;
    if (!own.ends_with("gradD_W1") && !own.ends_with("D0_W1") && !own.ends_with("D1_W1")) continue;
    for (std::size_t tap = 0; tap < copy.values.size(); tap += 3)
      std::rotate(copy.values.begin() + static_cast<std::ptrdiff_t>(tap),
                  copy.values.begin() + static_cast<std::ptrdiff_t>(tap) + 2,
                  copy.values.begin() + static_cast<std::ptrdiff_t>(tap) + 3);
  }
  return renamed;
}

MethodNetworks golden_networks(bool rectifies) {
  const Activation none = Activation::identity, relu = Activation::relu, leaky = Activation::leaky_relu;
  std::vector<LayerSpec> u = {convolution({12, 8, 2}, {6, 4, 4}, 4, 2, false, leaky),
                              convolution({6, 4, 4}, {3, 2, 6}, 4, 2, false, relu),
                              convolution({3, 2, 6}, {6, 4, 5}, 4, 2, true, relu),
                              convolution({6, 4, 9}, {12, 8, 1}, 4, 2, true, Activation::tanh)};
  u[2].batch_norm = true;
  u[3].beside = 0;
  u[3].rectifies = rectifies;
  std::vector<LayerSpec> d = {convolution({12, 8, 3}, {6, 4, 4}, 4, 2, false, leaky),
                              convolution({6, 4, 4}, {5, 3, 6}, 4, 1, false, leaky),
                              convolution({5, 3, 6}, {5, 3, 1}, 3, 1, false, none)};
  d[0].beside_columns = 2 * pixels;
  d[1].batch_norm = true;
  MethodNetworks networks;
  networks.columns = pixels;
  networks.condition = 2 * pixels;
  const Techniques techniques{.part_rows = batch, .epsilon = 1e-5f, .momentum = 0.9f};
  networks[Role::generator] = Network(Mlp(2 * pixels, u), techniques);
  networks[Role::discriminator] = Network(Mlp(3 * pixels, d), techniques);
  return networks;
}

class GoldenTranslation : public testing::TestWithParam<bool> {};

TEST_P(GoldenTranslation, StepReproducesGradientsLossesParametersAndStatistics) {
  const Arrays arrays = in_the_order_of_the_library(read_npz(CUGAD_SOURCE_DIR "/tests/golden/pix2pix_step.npz"));
  const std::string of = GetParam() ? "relu_" : "leaky_";
  const MethodNetworks networks = golden_networks(GetParam());
  DetectorOptions options;
  options.method = Method::translation;
  options.population = 1;
  options.batch = batch;
  options.learning_rate = options.discriminator_learning_rate = 2e-4f;
  options.beta1 = 0.5f;
  options.beta2 = 0.999f;
  options.final_rate = 1.0f;
  options.average_decay = options.r1 = options.coverage = options.fence = 0.0f;
  options.contextual = static_cast<float>(arrays.at("lambda_l1").values[0]);
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  const StackView<float> rows = arena.stack("rows", 1, batch, 3 * pixels);
  fill(context, rows.slice_columns(0, pixels), arrays.at("target"));
  fill(context, rows.slice_columns(pixels, 2 * pixels), arrays.at("source"));
  TranslationStep step(device.make_context(), options, networks, TrainingRows(rows.model(0)), 1);
  GoldenRun run(step);
  const GoldenImageNetwork generator(networks.generator()), discriminator(networks.discriminator());
  NetworkStates states;
  states[Role::generator] = generator.place(run, arrays, "U0");
  states[Role::discriminator] = discriminator.place(run, arrays, "D0");
  run.bind(states);
  step.step(0, true);  // a minibatch of all rows, in an order of its own
  const std::vector<float> reports = run.reports();
  // The paper halves D's loss: Adam's steps hardly know.
  for (const auto& [place, name] : {std::pair(0, "loss_D_real"), {1, "loss_D_fake"}, {2, "loss_G_adv"}}) {
    const double loss = arrays.at(of + name).values[0] * (place < 2 ? 2.0 : 1.0);
    EXPECT_NEAR(reports[static_cast<std::size_t>(place)], loss, 1e-5 * loss) << name;
  }
  std::vector<float> gradient = run.read(step.discriminator_gradient());
  for (float& value : gradient) value *= 0.5f;
  discriminator.expect(gradient, arrays, of + "gradD", close);
  generator.expect(run.read(step.generator_gradient()), arrays, of + "gradU", close);
  const std::vector<float> d = run.read(states[Role::discriminator].parameter);
  const std::vector<float> u = run.read(states[Role::generator].parameter);
  discriminator.expect(d, arrays, of + "D1", 0.02 * 2e-4, 1.0);
  generator.expect(u, arrays, of + "U1", 0.02 * 2e-4, 1.0);
  discriminator.expect_statistics(d, arrays, of + "D", 0);
  generator.expect_statistics(u, arrays, of + "U", 0);
}

INSTANTIATE_TEST_SUITE_P(Skips, GoldenTranslation, testing::Bool(),
                         [](const auto& one) { return one.param ? "ThroughReLU" : "AsTheyAre"; });

}  // namespace
}  // namespace cugad::test
