#include <benchmark/benchmark.h>

#include "bench/networks.hpp"

namespace cugad::bench {
namespace {

/// One step of one KDD99 AnoGAN on one thread: steps/s.
void train_step(benchmark::State& state) {
  const int batch = static_cast<int>(state.range(0));
  const std::vector<float> data = uniform_rows(20000, 121);
  const Device device = Device::open("cpu", 1);
  DetectorOptions options = kdd_options(batch);
  options.latent = 32;
  GanTraining training(device, options, {data.data(), 20000, 121});
  GanStep step(device.make_context(1), options, training.networks(), {data.data(), 20000, 121}, 1);
  std::vector<float> one(1, 1.0f);
  step.bind(1, training.generator(), training.discriminator(), StackView<const float>{one.data(), 1, 1, 1}, {});
  std::int64_t t = 0;
  for (; t < 50; ++t) step.step(t, false);
  for (auto _ : state) step.step(t++, false);
  if (step.context().scratch_allocations() > 16) state.SkipWithError("scratch memory grew inside the loop");
  state.counters["steps/s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["flop/s"] =
      benchmark::Counter(training_flops(training.networks(), batch), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(train_step)->Arg(50)->Arg(1024)->Unit(benchmark::kMicrosecond);

/// A population through the trainer, checks and telemetry included: model-steps/s. Arguments: models, threads.
void train_population(benchmark::State& state) {
  const int models = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  const std::vector<float> data = uniform_rows(20000, 121);
  DetectorOptions options = kdd_options(50, models);
  options.latent = 32;
  options.steps = 0;
  constexpr std::int64_t steps = 400;
  for (auto _ : state) {
    state.PauseTiming();
    options.steps = steps;
    GanTraining training(Device::open("cpu", threads), options, {data.data(), 20000, 121});
    state.ResumeTiming();
    training.run({});
  }
  state.counters["model-steps/s"] =
      benchmark::Counter(static_cast<double>(steps * models), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(train_population)
    ->Args({1, 1})
    ->Args({8, 2})
    ->Args({64, 2})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

/// One step of the default recipe for tables (64 rows, coverage, fences, R1) on 32 columns.
void train_step_default(benchmark::State& state) {
  const std::vector<float> data = uniform_rows(20000, 32);
  const Device device = Device::open("cpu", 1);
  DetectorOptions options;
  options.population = 1;
  options.latent = 16;
  options.decay_steps = 4000;
  GanTraining training(device, options, {data.data(), 20000, 32});
  GanStep step(device.make_context(1), options, training.networks(), {data.data(), 20000, 32}, 1);
  std::vector<float> one(1, 1.0f);
  step.bind(1, training.generator(), training.discriminator(), StackView<const float>{one.data(), 1, 1, 1}, {});
  std::int64_t t = 0;
  for (auto _ : state) step.step(t++, false);
  state.counters["steps/s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(train_step_default)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace cugad::bench
