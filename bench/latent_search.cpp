#include "bench/least_time.hpp"
#include "bench/networks.hpp"

namespace cugad::bench {
namespace {

/// The AnoGAN search on the KDD99 networks: query-iterations/s. Arguments: rows, discrimination loss.
void latent_search(benchmark::State& state, Precision precision) {
  const std::int64_t rows = state.range(0);
  const auto kind = static_cast<Discrimination>(state.range(1));
  DetectorOptions options = kdd_options(50);
  options.latent = 32;
  const MethodNetworks networks = gan_networks(options, 121, 0);
  const Mlp &g = networks.generator().trunk(), &d = networks.discriminator().trunk();
  Context context = make_context(precision);
  Arena arena(context);
  const StackView<float> generator = arena.stack("generator", 1, 1, g.parameters()),
                         discriminator = arena.stack("discriminator", 1, 1, d.parameters());
  g.initialise(context, generator, {.seed = 1, .purpose = RandomPurpose::initial_weights});
  d.initialise(context, discriminator, {.seed = 1, .purpose = RandomPurpose::initial_weights, .lane = 64});
  LatentSearch args;
  args.generator = g.view(generator);
  args.discriminator = d.view(discriminator);
  args.x = uniform(context, arena, 1, rows, 121, 0);
  args.z = arena.stack("z", 1, rows, 32);
  args.steps = !on_gpu() && rows > 2000 ? 20 : 100;
  args.discrimination_kind = kind;
  args.loss = arena.stack("loss", 1, rows, 1);

  // Verified first: the last row alone gives the same bits.
  const auto restart = [&] {
    run(context, FillNormal{.out = args.z, .key = {.seed = 3, .purpose = RandomPurpose::search_start}});
  };
  restart();
  const StackView<float> last = arena.stack("last", 1, 1, 32), alone_loss = arena.stack("alone", 1, 1, 1);
  context.backend().copy(last.data, args.z.slice_rows(rows - 1, 1).data, 32 * sizeof(float), context.stream());
  LatentSearch alone = args;
  alone.x = args.x.slice_rows(rows - 1, 1);
  alone.z = last;
  alone.loss = alone_loss;
  run(context, alone);
  run(context, args);
  if (download(context, alone_loss.data, 1) != download(context, args.loss.data + rows - 1, 1))
    return state.SkipWithError("a row's result depends on its batch");
  restart();
  LeastTime least;
  measure(state, context, [&](std::int64_t) { least.measure([&] { run(context, args); }); });
  state.SetLabel(path(context, args));

  double weights = 0;
  for (const Mlp* network : {&g, &d}) {
    const bool judge = network == &d;
    const int layers = network->layers() - (judge && kind != Discrimination::cross_entropy ? 1 : 0);
    for (int l = 0; l < layers; ++l) weights += static_cast<double>(network->layer(l).out) * network->layer_inputs(l);
  }
  const double iterations = static_cast<double>(rows) * args.steps;
  count(state, "query-iterations/s", iterations, 0, 4.0 * weights * iterations);
  if (!on_gpu()) least.report(state, 4.0 * weights * iterations);
}

}  // namespace

void add_latent_search() {
  for (const Precision precision : precisions()) {
    // The CPU's figures are compared over time under their old names.
    const bool is_old = !on_gpu() && precision == Precision::fp32;
    const std::string name = is_old ? "latent_search" : std::string("latent_search_") + name_of(precision);
    auto* search = add(name, latent_search, precision)->Unit(benchmark::kMillisecond);
    constexpr int feature_matching = static_cast<int>(Discrimination::feature_l1);
    for (const int kind : {feature_matching, static_cast<int>(Discrimination::cross_entropy)}) {
      for (const std::int64_t rows : {1, 50, 64, 1024, 4096, 8192, 262144}) {
        const bool of_gpu = rows != 50 && rows != 8192, of_cpu = rows != 64 && rows <= 8192 && rows != 4096;
        const bool is_long = rows == 262144 && precision != Precision::bf16 && kind != feature_matching;
        if (on_gpu() ? of_gpu && !is_long : of_cpu) search->Args({rows, kind});
      }
    }
  }
}

}  // namespace cugad::bench
