#include <benchmark/benchmark.h>

#include "bench/networks.hpp"

namespace cugad::bench {
namespace {

/// The AnoGAN search on the KDD99 networks, one thread: query-iterations/s. Arguments: rows, discrimination loss.
void latent_search(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  const auto kind = static_cast<Discrimination>(state.range(1));
  const GanNetworks networks(
      [] {
        DetectorOptions options = kdd_options(50);
        options.latent = 32;
        return options;
      }(),
      121);
  Context context = Device::open("cpu", 1).make_context(1);
  std::vector<float> generator(networks.generator.parameters()), discriminator(networks.discriminator.parameters());
  const auto flat = [](std::vector<float>& values) {
    return StackView<float>(values.data(), 1, 1, static_cast<std::int64_t>(values.size()));
  };
  networks.generator.initialise(context, flat(generator), {.seed = 1, .purpose = RandomPurpose::initial_weights});
  networks.discriminator.initialise(context, flat(discriminator),
                                    {.seed = 1, .purpose = RandomPurpose::initial_weights, .lane = 64});
  const std::vector<float> x = uniform_rows(rows, 121);
  std::vector<float> z(rows * 32), loss(rows);
  LatentSearch args;
  args.generator = networks.generator.view(flat(generator));
  args.discriminator = networks.discriminator.view(flat(discriminator));
  args.x = {x.data(), 1, rows, 121};
  args.z = {z.data(), 1, rows, 32};
  args.steps = rows > 2000 ? 20 : 100;
  args.discrimination_kind = kind;
  args.loss = {loss.data(), 1, rows, 1};
  for (auto _ : state) run(context, args);

  // Verified on the way: the last row alone gives the same bits.
  const auto restart = [&] {
    run(context, FillNormal{.out = args.z, .key = {.seed = 3, .purpose = RandomPurpose::search_start}});
  };
  restart();
  std::vector<float> last(z.end() - 32, z.end());
  run(context, args);
  const float together = loss.back();
  LatentSearch alone = args;
  alone.x = args.x.slice_rows(rows - 1, 1);
  alone.z = {last.data(), 1, 1, 32};
  alone.loss = {loss.data(), 1, 1, 1};
  run(context, alone);
  if (loss[0] != together) state.SkipWithError("a row's result depends on its batch");

  double weights = 0;
  for (const Mlp* network : {&networks.generator, &networks.discriminator}) {
    const bool judge = network == &networks.discriminator;
    const int layers = network->layers() - (judge && kind != Discrimination::cross_entropy ? 1 : 0);
    for (int l = 0; l < layers; ++l) weights += static_cast<double>(network->layer(l).out) * network->layer_inputs(l);
  }
  const double iterations = static_cast<double>(rows) * args.steps;
  state.counters["query-iterations/s"] = benchmark::Counter(iterations, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["flop/s"] =
      benchmark::Counter(4.0 * weights * iterations, benchmark::Counter::kIsIterationInvariantRate);
}
void shapes(benchmark::internal::Benchmark* b) {
  for (int rows : {1, 50, 1024, 8192}) {
    for (Discrimination kind : {Discrimination::feature_l1, Discrimination::cross_entropy}) {
      b->Args({rows, static_cast<int>(kind)});
    }
  }
}
BENCHMARK(latent_search)->Apply(shapes)->Unit(benchmark::kMillisecond);

/// Nearest of 3,000 generated rows: queries/s. Argument: columns.
void nearest_rows(benchmark::State& state) {
  const std::int64_t columns = state.range(0), queries = 1024, bank_rows = 3000;
  const std::vector<float> query = uniform_rows(queries, columns), bank = uniform_rows(bank_rows, columns);
  std::vector<float> distance(queries * 5);
  Context context = Device::open("cpu", 1).make_context(1);
  const NearestRows args{.query = {query.data(), 1, queries, columns},
                         .bank = {bank.data(), 1, bank_rows, columns},
                         .neighbours = 5,
                         .distance = {distance.data(), 1, queries, 5},
                         .index = {}};
  for (auto _ : state) run(context, args);
  state.counters["queries/s"] =
      benchmark::Counter(static_cast<double>(queries), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["flop/s"] = benchmark::Counter(3.0 * static_cast<double>(queries * bank_rows * columns),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(nearest_rows)->Arg(8)->Arg(32)->Arg(121)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace cugad::bench
