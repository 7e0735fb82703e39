#include "bench/networks.hpp"

/// Scores on the KDD99 networks: through an encoder in one pass, and a whole detector.
namespace cugad::bench {
namespace {

/// EGBAD's score (Zenati 2018) with its widths: E 121-64-32, G 32-64-128-121, D 121-256-128-128-1: rows/s.
void reconstruction_score(benchmark::State& state, Precision precision) {
  const std::int64_t rows = state.range(0);
  Context context = make_context(precision);
  Arena arena(context);
  const LayerSpec relu64 = {64, Activation::relu};
  const auto leaky = [](int out) { return LayerSpec{out, Activation::leaky_relu, 0.1f}; };
  const Mlp encoder(121, {leaky(64), {32}}), generator(32, {relu64, {128, Activation::relu}, {121}}),
      discriminator(121, {leaky(256), leaky(128), leaky(128), {1}});
  double weights = 0;
  std::uint32_t lane = 0;
  const auto made = [&](const Mlp& network) {
    const StackView<float> flat = arena.stack("network", 1, 1, network.parameters());
    network.initialise(context, flat, {.seed = 1, .purpose = RandomPurpose::initial_weights, .lane = lane += 64});
    for (int l = 0; l < network.layers(); ++l)
      weights += static_cast<double>(network.layer(l).out) * network.layer_inputs(l);
    return network.view(flat);
  };
  ReconstructionScore args;
  args.encoder = made(encoder);
  args.generator = made(generator);
  args.discriminator = made(discriminator);
  args.x = uniform(context, arena, 1, rows, 121, 0);
  args.loss = arena.stack("loss", 1, rows, 1);
  run(context, args);
  const std::vector<float> together = download(context, args.loss.data + rows - 1, 1);
  ReconstructionScore alone = args;
  alone.x = args.x.slice_rows(rows - 1, 1);
  alone.loss = arena.stack("alone", 1, 1, 1);
  run(context, alone);
  if (download(context, alone.loss.data, 1) != together)
    return state.SkipWithError("a row's result depends on its batch");
  measure(state, context, [&](std::int64_t) { run(context, args); });
  count(state, "rows/s", static_cast<double>(rows), 4.0 * 122.0 * static_cast<double>(rows),
        2.0 * weights * static_cast<double>(rows));
}

/// A fitted detector of the default recipe, rows in host memory.
void detector_score(benchmark::State& state) {
  const std::int64_t rows = state.range(0), columns = 32;
  const std::vector<float> data = uniform_rows(std::max<std::int64_t>(rows, 2000), columns);
  DetectorOptions options;
  options.steps = 0;
  Detector detector(Device::open(chosen_device(), 1), options);
  detector.fit({data.data(), 2000, columns});
  std::vector<float> scores(static_cast<std::size_t>(rows)), one(1);
  detector.score({data.data(), rows, columns}, scores);
  detector.score({data.data() + (rows - 1) * columns, 1, columns}, one);
  if (one[0] != scores.back()) return state.SkipWithError("a row's score depends on its batch");
  for (auto _ : state) detector.score({data.data(), rows, columns}, scores);
  count(state, "rows/s", static_cast<double>(rows), 0, 0);
}

}  // namespace

void add_scoring() {
  for (const Precision precision : precisions()) {
    auto* score = add(std::string("reconstruction_score_") + name_of(precision), reconstruction_score, precision);
    score->Arg(1024)->Unit(benchmark::kMicrosecond);
    if (on_gpu()) score->Arg(1 << 20);
  }
  add("detector_score", detector_score)
      ->Arg(1)
      ->Arg(1024)
      ->Arg(on_gpu() ? 1 << 20 : 1 << 13)
      ->Unit(benchmark::kMillisecond);
}

}  // namespace cugad::bench
