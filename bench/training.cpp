#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>

#include "bench/least_time.hpp"
#include "bench/networks.hpp"
#include "cugad/detector.hpp"
#include "host/methods/methods.hpp"
#include "host/model_file/mapped_memory.hpp"
#include "host/training/gan_training.hpp"

namespace cugad::bench {
namespace {

/// One step of one KDD99 AnoGAN on one thread: steps/s.
void train_step(benchmark::State& state, Precision precision) {
  const int batch = static_cast<int>(state.range(0));
  const std::vector<float> data = uniform_rows(20000, 121);
  const Device device = Device::open(chosen_device(), 1).with_precision(precision);
  DetectorOptions options = kdd_options(batch);
  options.latent = 32;
  GanTraining training(device, definition_of(options.method), options,
                       MatrixView<const float>(data.data(), 20000, 121));
  GanStep step(device.make_context(1), options, training.networks(), MatrixView<const float>(data.data(), 20000, 121),
               1);
  std::vector<float> one(1, 1.0f);
  step.bind({.seed = 1}, training.states(), StackView<const float>{one.data(), 1, 1, 1}, {});
  std::int64_t t = 0;
  for (; t < 50; ++t) step.step(t, false);
  LeastTime least;
  for (auto _ : state) least.measure([&] { step.step(t++, false); });
  if (step.context().scratch_allocations() > 16) state.SkipWithError("scratch memory grew inside the loop");
  state.counters["steps/s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
  const double flops = training_flops(training.networks(), batch);
  state.counters["flop/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  least.report(state, flops);
}
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
    GanTraining training(Device::open(chosen_device(), threads), definition_of(options.method), options,
                         MatrixView<const float>(data.data(), 20000, 121));
    state.ResumeTiming();
    training.run({});
  }
  state.counters["model-steps/s"] =
      benchmark::Counter(static_cast<double>(steps * models), benchmark::Counter::kIsIterationInvariantRate);
}
/// One step of the default recipe for tables (64 rows, coverage, fences, R1) on 32 columns.
void train_step_default(benchmark::State& state) {
  const std::vector<float> data = uniform_rows(20000, 32);
  const Device device = Device::open(chosen_device(), 1);
  DetectorOptions options;
  options.population = 1;
  options.latent = 16;
  options.coverage = 1.0f;
  options.coverage_rows = 256;
  options.learning_rate = 5e-4f;
  options.decay_steps = 4000;
  GanTraining training(device, definition_of(options.method), options, MatrixView<const float>(data.data(), 20000, 32));
  GanStep step(device.make_context(1), options, training.networks(), MatrixView<const float>(data.data(), 20000, 32),
               1);
  std::vector<float> one(1, 1.0f);
  step.bind({.seed = 1}, training.states(), StackView<const float>{one.data(), 1, 1, 1}, {});
  std::int64_t t = 0;
  for (auto _ : state) step.step(t++, false);
  state.counters["steps/s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
}

/// Steps of a fit whose rows lie in memory or in mapped files, from its first report to its last: processor time of
/// one. Arguments: rows of 64 columns, whether mapped.
void train_rows(benchmark::State& state) {
  const std::int64_t rows = state.range(0), columns = 64;
  const std::string directory = state.range(1) == 0 ? "" : std::filesystem::temp_directory_path().string();
  LargeArray<float> values(static_cast<std::size_t>(rows * columns), directory);
  const std::vector<float> block = uniform_rows(1000, columns);
  for (std::int64_t r = 0; r < rows; r += 1000) {
    const std::int64_t count = std::min<std::int64_t>(1000, rows - r) * columns;
    std::transform(block.begin(), block.begin() + count, values.data() + r * columns,
                   [&](float value) { return value * static_cast<float>(1 + r); });
  }
  DetectorOptions options;
  set_option(options, "method", "anogan");
  options.population = 2;
  options.steps = 400;
  options.patience = 0;
  for (auto _ : state) {
    std::clock_t first = 0, last = 0;
    std::int64_t begin = 0;
    FitControl control;
    control.row_directory = directory;
    control.on_progress = [&](const FitProgress& progress) {
      last = std::clock();
      if (first != 0) return;
      first = last;
      begin = progress.step;
    };
    Detector detector(Device::open(chosen_device(), 1), options);
    detector.fit(MatrixView<const float>(values.data(), rows, columns), control);
    state.SetIterationTime(static_cast<double>(last - first) / CLOCKS_PER_SEC /
                           static_cast<double>(options.steps - begin));
  }
}

/// Steps of a population on a GPU, recorded and replayed as in a fit: model-steps/s. Argument: models.
void train_recorded(benchmark::State& state, int batch, Precision precision) {
  const std::int64_t models = state.range(0), rows = 20000, steps = 96;
  Context context = make_context(precision);
  Arena arena(context);
  const StackView<float> data = uniform(context, arena, 1, rows, 121, 0), scale = arena.stack("scale", models, 1, 1);
  run(context, FillUniform{.out = scale, .key = {.seed = 1}, .low = 1.0f, .high = 1.0f});
  context.synchronize();
  DetectorOptions options = kdd_options(batch, static_cast<int>(models));
  options.latent = 32;
  const Device device = Device::open(chosen_device(), 1).with_precision(precision);
  GanTraining training(device, definition_of(options.method), options, data.model(0));
  GanStep step(device.make_context(1), options, training.networks(), data.model(0), models);
  step.bind({.seed = 1}, training.states(), scale, {});
  step.advance(0, steps, false);
  std::int64_t t = steps;
  measure(state, step.context(), [&](std::int64_t) {
    step.advance(t, t + steps, false);
    t += steps;
  });
  for (const float value : download(step.context(), training.states()[Role::generator].parameter.data, 1000)) {
    if (!std::isfinite(value)) return state.SkipWithError("a weight is not finite");
  }
  count(state, "model-steps/s", static_cast<double>(models * steps), 0,
        training_flops(training.networks(), batch) * static_cast<double>(models * steps));
}

}  // namespace

void add_training() {
  if (on_gpu()) {
    for (const Precision precision : precisions()) {
      const std::string mode = std::string("_") + name_of(precision);
      add("train_recorded" + mode, train_recorded, 50, precision)
          ->Arg(1)
          ->Arg(256)
          ->Arg(1024)
          ->Unit(benchmark::kMillisecond);
      add("train_recorded_batch_1024" + mode, train_recorded, 1024, precision)->Arg(1)->Unit(benchmark::kMillisecond);
    }
    return;
  }
  add("train_step", train_step, Precision::fp32)->Arg(50)->Arg(1024)->Unit(benchmark::kMicrosecond);
  add("train_step_bf16", train_step, Precision::bf16)->Arg(50)->Arg(1024)->Unit(benchmark::kMicrosecond);
  add("train_population", train_population)
      ->Args({1, 1})
      ->Args({8, 2})
      ->Args({64, 2})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  add("train_rows", train_rows)
      ->Args({1'000'000, 0})
      ->Args({1'000'000, 1})
      ->Iterations(1)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
  add("train_step_default", train_step_default)->Unit(benchmark::kMicrosecond);
}

}  // namespace cugad::bench
