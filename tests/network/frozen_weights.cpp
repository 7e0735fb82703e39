#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cugad/network.hpp"
#include "host/backend/transfer.hpp"
#include "tests/common/device.hpp"
#include "tests/common/random_words.hpp"

/// What contexts may keep of frozen weights and banks changes no bit, takes memory once, and is given back.
namespace cugad::test {
namespace {

constexpr std::int64_t models = 3, columns = 21, latent = 5;

/// The networks and rows of a score, and its outputs.
struct Score {
  explicit Score(Context& context) : arena(context.backend()) {
    std::uint32_t lane = 0;
    const auto made = [&](const Mlp& network) {
      const StackView<float> flat = arena.stack("network", models, 1, network.parameters());
      network.initialise(context, flat, {.seed = 3, .purpose = RandomPurpose::initial_weights, .lane = lane += 64});
      return network.view(flat);
    };
    const LayerSpec hidden = {70, Activation::leaky_relu, 0.2f};
    encoder = made(Mlp(columns, {hidden, {latent}}));
    generator = made(Mlp(latent, {hidden, {33, Activation::relu}, {columns}}));
    discriminator = made(Mlp(columns, {hidden, hidden, {1}}));
    x = arena.stack("rows", 1, 9, columns);
    run(context, FillUniform{.out = x, .key = {.seed = 4}, .low = -1.0f, .high = 1.0f});
    bank = arena.stack("bank", models, 150, columns);
    run(context, FillUniform{.out = bank, .key = {.seed = 6}, .low = -1.0f, .high = 1.0f});
    loss = arena.stack("loss", models, 9, 1);
    z = arena.stack("latents", models, 9, latent);
  }
  StackView<const float> rows(std::int64_t count) const { return shared_by(models, x.model(0)).slice_rows(0, count); }

  std::vector<float> reconstruction(Context& context, std::int64_t count) const {
    ReconstructionScore args;
    args.encoder = encoder;
    args.generator = generator;
    args.discriminator = discriminator;
    args.x = rows(count);
    args.loss = {loss.data, models, count, 1};
    run(context, args);
    return download(context, loss.data, models * count);
  }
  std::vector<float> search(Context& context, std::int64_t count) const {
    LatentSearch args;
    args.generator = generator;
    args.discriminator = discriminator;
    args.x = rows(count);
    args.z = {z.data, models, count, latent};
    args.steps = 2;
    args.loss = {loss.data, models, count, 1};
    run(context, FillUniform{.out = args.z, .key = {.seed = 5}, .low = -1.0f, .high = 1.0f});
    run(context, args);
    return download(context, loss.data, models * count);
  }
  std::vector<float> nearest(Context& context, std::int64_t count) const {
    Arena own(context.backend());
    const StackView<float> distance = own.stack("distances", models, count, 3);
    NearestRows args;
    args.query = rows(count);
    args.bank = bank;
    args.neighbours = 3;
    args.distance = distance;
    run(context, args);
    std::vector<float> both = download(context, distance.data, models * count * 3);
    // The first models' bank for all of them: other memory under the same address.
    args.bank.model_stride = 0;
    run(context, args);
    const std::vector<float> more = download(context, distance.data, models * count * 3);
    both.insert(both.end(), more.begin(), more.end());
    return both;
  }
  std::vector<float> layer(Context& context, std::int64_t count) const {
    const LayerView& first = encoder.layer[0];
    Arena own(context.backend());
    const StackView<float> y = own.stack("outputs", models, count, first.out);
    DenseForward args;
    args.x = rows(count);
    args.weight = {first.weight, models, first.out, first.in, first.model_stride, first.in};
    args.bias = {first.bias, models, 1, first.out, first.model_stride, first.out};
    args.y = y;
    args.activation = first.activation;
    args.slope = first.slope;
    run(context, args);
    // The same weights for every model: other memory under the same address.
    const StackView<float> shared = own.stack("outputs of shared weights", models, count, first.out);
    args.weight.model_stride = 0;
    args.y = shared;
    run(context, args);
    std::vector<float> both = download(context, y.data, models * count * first.out);
    const std::vector<float> more = download(context, shared.data, models * count * first.out);
    both.insert(both.end(), more.begin(), more.end());
    return both;
  }

  Arena arena;
  NetworkView encoder, generator, discriminator;
  StackView<float> x, bank, loss, z;
};

TEST(FrozenWeights, ChangeNoBitAndTakeMemoryOnce) {
  const Device device = test_device(2);
  Context plain = device.make_context();
  const Score score(plain);
  for (const auto way : {&Score::layer, &Score::reconstruction, &Score::search, &Score::nearest}) {
    std::vector<std::vector<float>> expected;
    for (const std::int64_t rows : {9, 7, 1}) expected.push_back((score.*way)(plain, rows));
    const std::size_t before = device.memory().bytes;
    {
      Context first = device.make_context();
      first.freeze_weights();
      EXPECT_TRUE(same_bits((score.*way)(first, 9), expected[0]));
      const std::size_t taken = device.memory().bytes;
      EXPECT_TRUE(same_bits((score.*way)(first, 9), expected[0]));
      Context frozen = std::move(first);
      EXPECT_TRUE(same_bits((score.*way)(frozen, 7), expected[1]));
      EXPECT_TRUE(same_bits((score.*way)(frozen, 1), expected[2]));
      EXPECT_EQ(device.memory().bytes, taken);
      // Another context on the same weights takes working memory alone, and may outlive the first.
      Context other = device.make_context();
      other.freeze_weights();
      other.share_kept(frozen);
      frozen = device.make_context();
      EXPECT_TRUE(same_bits((score.*way)(other, 9), expected[0]));
      EXPECT_LE(device.memory().bytes, taken);
    }
    EXPECT_EQ(device.memory().bytes, before);
  }
}

/// Rows whose zeros meet in the same columns, then rows without zeros: with frozen weights a dense layer leaves out the
/// terms that are 0 in several rows.
TEST(FrozenWeights, LeftOutZerosChangeNoBit) {
  const Device device = test_device(2);
  Context plain = device.make_context(), frozen = device.make_context();
  frozen.freeze_weights();
  Arena arena(device.backend());
  for (const std::int64_t in : {5, 16, 41, 130, 1024, 1030}) {
    for (const std::int64_t rows : {1, 2, 6, 7, 23, 60}) {
      constexpr std::int64_t out = 37;
      std::vector<float> cells(static_cast<std::size_t>(rows * in));
      RandomNumbers random(static_cast<std::uint64_t>(in * 100 + rows));
      for (std::int64_t i = 0; i < rows * in; ++i) {
        const std::int64_t r = i / in, k = i % in;
        const bool is_zero = r < 40 && (k * 7 + r / 6) % 5 < 3;
        const auto value = static_cast<float>(random.uniform(-1.0, 1.0));
        cells[static_cast<std::size_t>(i)] = is_zero ? 0.0f * value : value;
      }
      // In columns where the rows beside it are 0.
      if (rows > 2) cells[static_cast<std::size_t>(in)] = std::numeric_limits<float>::denorm_min();
      if (rows > 6) cells[static_cast<std::size_t>(3 * in)] = std::nanf("");
      const StackView<float> x = arena.stack("rows", 1, rows, in), weight = arena.stack("weights", models, out, in),
                             bias = arena.stack("biases", models, 1, out), y = arena.stack("sums", models, rows, out);
      plain.backend().copy(x.data, cells.data(), sizeof(float) * cells.size(), plain.stream());
      run(plain, FillUniform{.out = weight, .key = {.seed = 8}, .low = -1.0f, .high = 1.0f});
      run(plain, FillUniform{.out = bias, .key = {.seed = 9}, .low = -1.0f, .high = 1.0f});
      DenseForward layer;
      layer.x = shared_by(models, x.model(0));
      layer.weight = weight;
      layer.bias = bias;
      layer.y = y;
      layer.activation = Activation::relu;
      run(plain, layer);
      const std::vector<float> expected = download(plain, y.data, models * rows * out);
      run(plain, FillUniform{.out = y, .key = {.seed = 10}});
      plain.synchronize();
      run(frozen, layer);
      EXPECT_TRUE(same_bits(download(frozen, y.data, models * rows * out), expected)) << in << " x " << rows;
    }
  }
}

}  // namespace
}  // namespace cugad::test
