#include "host/methods/methods.hpp"

#include <cmath>

#include "bench/counted_products.hpp"
#include "bench/least_time.hpp"
#include "bench/networks.hpp"
#include "host/detector/impl.hpp"

/// Training step and scoring of each method on the KDD99 networks, one thread, which bench/peers_methods.py compares
/// with PyTorch. A method takes part by a line in methods(). And one row at a time, with the defaults.
namespace cugad::bench {
namespace {

constexpr std::int64_t columns = 121;

using Changes = std::vector<std::pair<const char*, const char*>>;

/// A preset, then single options.
struct Measured {
  const char* name;
  const char* preset;
  Changes changes;
};

Changes fanogan_networks() {
  return {{"latent", "32"},          {"hidden", "64,128"},
          {"encoder_hidden", "64"},  {"discriminator_hidden", "256,128,128"},
          {"encoder_tanh", "false"}, {"average_decay", "0.999"}};
}

/// f-AnoGAN's second phase from the first step on.
Changes encoder_alone() {
  Changes changes = fanogan_networks();
  changes.emplace_back("steps", "0");
  changes.emplace_back("encoder_steps", "1000000000");
  return changes;
}

const std::vector<Measured>& methods() {
  static const std::vector<Measured> list = {
      {"gan", "kdd99-anogan-faithful", {{"method", "gan"}, {"score", "automatic"}}},
      {"anogan", "kdd99-anogan-faithful", {}},
      {"bigan", "kdd99-egbad-faithful", {{"method", "bigan"}}},
      {"ali", "kdd99-egbad-faithful", {{"method", "ali"}}},
      {"egbad", "kdd99-egbad-faithful", {}},
      {"ganomaly",
       "ganomaly-paper",
       {{"latent", "32"}, {"encoder_hidden", "64"}, {"hidden", "64"}, {"average_decay", "0.999"}}},
      {"fanogan", "fanogan-paper", fanogan_networks()},
      {"fanogan_izi_f", "fanogan-paper", encoder_alone()},
      {"fanogan_recommended", "kdd99-fanogan-recommended", {{"population", "1"}}},
      {"alad", "kdd99-alad-faithful", {}},
      {"alad_spectral", "kdd99-alad-faithful", {{"spectral_norm", "true"}}},
      {"bigan_features", "kdd99-egbad-faithful", {{"method", "bigan"}, {"discrimination", "feature_l1"}}},
      {"egbad_recommended", "kdd99-egbad-recommended", {{"population", "1"}}},
      {"gain", "gain-tables", {{"population", "1"}, {"folds", "1"}}},
  };
  return list;
}

DetectorOptions options_of(const Measured& measured, int batch) {
  DetectorOptions options;
  apply_preset(options, measured.preset);
  options.batch = batch;
  options.epochs = 0;
  options.steps = 1'000'000'000;
  options.decay_steps = 1;
  for (const auto& [name, value] : measured.changes) set_option(options, name, value);
  return options_of_methods(options).front();
}

/// Multiply-adds x 2 of the products in `work`.
template <class Work>
double flops_of(Backend& backend, const Work& work) {
  const CountedProducts counted(backend);
  work();
  return counted.flops();
}

/// steps/s.
void method_step(benchmark::State& state, const Measured& measured, int batch) {
  const DetectorOptions options = options_of(measured, batch);
  Context context = make_context();
  Arena arena(context);
  const StackView<float> data = uniform(context, arena, 1, 20000, columns, 0), scale = arena.stack("scale", 1, 1, 1);
  run(context, FillUniform{.out = scale, .key = {.seed = 1}, .low = 1.0f, .high = 1.0f});
  context.synchronize();
  const Device device = Device::open(chosen_device(), 1);
  GanTraining training(device, definition_of(options.method), options, data.model(0));
  const auto step =
      definition_of(options.method).step(device.make_context(1), options, training.networks(), data.model(0), 1);
  step->bind({.seed = 1}, training.states(), scale, {});
  std::int64_t t = 0;
  const std::int64_t at_once = on_gpu() ? 96 : 1;
  const auto advance = [&](std::int64_t) {
    step->advance(t, t + at_once, false);
    t += at_once;
  };
  for (int i = 0; i < 20; ++i) advance(i);
  const double flops = flops_of(step->context().backend(), [&] { advance(0); });
  const std::size_t allocations = step->context().scratch_allocations();
  LeastTime least;
  measure(state, step->context(), [&](std::int64_t i) { least.measure([&] { advance(i); }); });
  if (step->context().scratch_allocations() != allocations) return state.SkipWithError("scratch memory grew");
  for (const float value : download(step->context(), training.states()[Role::generator].parameter.data, 1000)) {
    if (!std::isfinite(value)) return state.SkipWithError("a weight is not finite");
  }
  count(state, "steps/s", static_cast<double>(at_once), 0, 0);
  if (!on_gpu()) least.report(state, flops);
}

/// rows/s of a detector with untrained weights, rows and scores in device memory.
void method_score(benchmark::State& state, const Measured& measured, int rows) {
  DetectorOptions options = options_of(measured, 50);
  options.steps = options.encoder_steps = 0;
  const std::vector<float> data = uniform_rows(std::max(rows, 2000), columns);
  const Device device = Device::open(chosen_device(), 1);
  Detector detector(device, options);
  detector.fit({data.data(), 2000, columns});
  Context context = device.make_context();
  Arena arena(context);
  const StackView<float> x = uniform(context, arena, 1, rows, columns, 1), scores = arena.stack("scores", 1, rows, 1);
  context.synchronize();
  const MatrixView<const float> query = x.model(0);
  detector.score(query, {scores.data, static_cast<std::size_t>(rows)});
  detector.use_stream(context.stream());
  float one = 0.0f;
  detector.score({query.row(rows - 1), 1, columns}, {&one, 1});
  if (download(context, scores.data + rows - 1, 1).front() != one) {
    return state.SkipWithError("a row's score depends on its batch");
  }
  const auto score = [&] { detector.score(query, {scores.data, static_cast<std::size_t>(rows)}); };
  const double flops = flops_of(context.backend(), score);
  LeastTime least;
  measure(state, context, [&](std::int64_t) { least.measure(score); });
  count(state, "rows/s", static_cast<double>(rows), 0, 0);
  if (!on_gpu()) least.report(state, flops);
}

/// One row from host memory to its score on the host: the default options (layers of 128), 32 columns, untrained
/// weights. handle_bytes: the memory of another handle on the model after it has scored a row.
void score_one_row(benchmark::State& state, Method method) {
  constexpr std::int64_t width = 32;
  DetectorOptions options;
  options.method = method;
  options.population = static_cast<int>(state.range(0));
  options.steps = options.encoder_steps = 0;
  const std::vector<float> data = uniform_rows(2000, width);
  const Device device = Device::open(chosen_device(), 1);
  Detector detector(device, options);
  detector.fit({data.data(), 2000, width});
  std::vector<float> together(3);
  detector.score({data.data(), 3, width}, together);
  float score = 0.0f;
  std::int64_t row = 0;
  for (auto _ : state) {
    detector.score({data.data() + row * width, 1, width}, {&score, 1});
    if (row < 3 && score != together[static_cast<std::size_t>(row)]) {
      return state.SkipWithError("a row's score depends on its batch");
    }
    row = (row + 1) % 2000;
  }
  count(state, "rows/s", 1.0, 0, 0);
  const std::size_t before = device.memory().bytes;
  Detector other = detector.share();
  other.score({data.data(), 1, width}, {&score, 1});
  state.counters["handle_bytes"] = static_cast<double>(device.memory().bytes - before);
}

}  // namespace

void add_methods() {
  for (const MethodDefinition* method : all_methods()) {
    if (method->reads("target")) continue;  // it needs columns to predict
    add(std::string("score_one_row/") + method->name, score_one_row, method->method)
        ->ArgName("population")
        ->Arg(1)
        ->Arg(8)
        ->Unit(benchmark::kMicrosecond);
  }
  for (const Measured& measured : methods()) {
    for (const int batch : {50, 1024}) {
      const std::string end = std::string(measured.name) + "/" + std::to_string(batch);
      add("method_step/" + end, method_step, measured, batch)->Unit(benchmark::kMicrosecond);
      if (std::string(measured.name) == "anogan")
        continue;  // its score is the latent search, with benchmarks of its own
      add("method_score/" + end, method_score, measured, batch)->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace cugad::bench
