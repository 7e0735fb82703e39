#include <map>
#include <numeric>

#include "bench/networks.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/scoring_masks.hpp"

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

constexpr std::int64_t default_rows = 4000;

/// Columns that depend on each other.
std::vector<float> related_columns(std::int64_t rows, std::int64_t columns) {
  std::vector<float> data = uniform_rows(rows, columns);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = data.data() + r * columns;
    for (std::int64_t c = columns - 1; c > 0; --c) row[c] = 0.2f * row[c] + row[c / 3];
  }
  return data;
}

/// Multiply-adds x 2 of a row by the definition of the default: G of `gain` once per mask, D once, and one multiply-add
/// per cell of each training row for the distance.
double default_flops(const DetectorOptions& options, std::int64_t columns) {
  std::vector<std::int32_t> cells(static_cast<std::size_t>(columns));
  std::iota(cells.begin(), cells.end(), 0);
  const MethodNetworks networks = definition_of(Method::gain).networks(options, columns, 0);
  const auto weights = [](const Network& network) {
    double sum = 0;
    for (int l = 0; l < network.trunk().layers(); ++l)
      sum += static_cast<double>(network.trunk().layer(l).out) * network.trunk().layer_inputs(l);
    return sum;
  };
  const auto masks = static_cast<double>(scoring_masks(cells, options.seed).size());
  return 2.0 * options.population * (masks * weights(networks.generator()) + weights(networks.discriminator())) +
         2.0 * static_cast<double>(default_rows * columns);
}

/// The answer that a user gets without options: default_options() trained on 4,000 rows, rows in host memory. Trained,
/// for the time depends on how many units are 0. With several threads the time is that of the calling one, who works as
/// long as any.
void default_score(benchmark::State& state, int threads) {
  const std::int64_t rows = state.range(0), columns = state.range(1);
  const std::vector<float> data = related_columns(default_rows, columns);
  static std::map<std::int64_t, std::vector<std::byte>> trained;  // a benchmark's function runs several times
  std::vector<std::byte>& file = trained[columns];
  const Device device = Device::open(chosen_device(), threads);
  if (file.empty()) {
    Detector detector(device);
    detector.fit({data.data(), default_rows, columns});
    file = detector.save();
  }
  Detector detector = Detector::load(device, file);
  std::vector<float> scores(static_cast<std::size_t>(rows)), one(1);
  detector.score({data.data(), rows, columns}, scores);
  detector.score({data.data() + (rows - 1) * columns, 1, columns}, one);
  if (one[0] != scores.back()) return state.SkipWithError("a row's score depends on its batch");
  for (auto _ : state) detector.score({data.data(), rows, columns}, scores);
  count(state, "rows/s", static_cast<double>(rows), 0,
        static_cast<double>(rows) * default_flops(default_options(), columns));
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
  for (const int threads : {1, 2}) {
    if (on_gpu() && threads > 1) continue;
    add("default_score/threads:" + std::to_string(threads), default_score, threads)
        ->ArgNames({"rows", "columns"})
        ->ArgsProduct({{1, 1024}, {10, 30}})
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace cugad::bench
