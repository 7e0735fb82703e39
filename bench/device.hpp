#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "host/backend/transfer.hpp"

/// What the benchmarks share: the device that `--device` named, memory on it, and how time is taken.
///
/// On a GPU work is issued in batches that last at least 2 ms, each followed by one synchronisation of about 10 us
/// (under 1 %); time is wall-clock time, and names end in "/real_time". On the CPU every iteration is timed by itself,
/// in the thread's processor time. Buffers rotate: together the copies exceed twice the second-level cache of known
/// GPUs.
namespace cugad::bench {

inline std::string& chosen_device() {
  static std::string name = "cpu";
  return name;
}
inline bool on_gpu() { return !chosen_device().starts_with("cpu"); }

inline Context make_context(Precision precision = Precision::fp32, int threads = 1) {
  Context context = Device::open(chosen_device(), threads).make_context(threads);
  context.use_precision(precision);
  return context;
}

/// Registers a benchmark once the device is known.
template <class Function, class... Arguments>
benchmark::internal::Benchmark* add(const std::string& name, Function function, Arguments... arguments) {
  auto* registered = benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    try {
      function(state, arguments...);
    } catch (const std::exception& error) {
      state.SkipWithError(error.what());  // the others continue
    }
  });
  if (on_gpu()) registered->UseRealTime();
  return registered;
}

/// How many copies of `bytes` of operands to work through in turn.
inline int copies_of(std::int64_t bytes) {
  constexpr std::int64_t enough = std::int64_t{256} << 20, most = 64;
  return on_gpu() ? static_cast<int>(std::clamp<std::int64_t>(enough / std::max<std::int64_t>(bytes, 1), 1, most)) : 1;
}

/// Calls work(i), i = 0, 1, ..., which issues one iteration on the context.
template <class Work>
void measure(benchmark::State& state, Context& context, Work&& work) {
  std::int64_t i = 0, batch = 1;
  const auto issue = [&](std::int64_t count) {
    const auto before = std::chrono::steady_clock::now();
    for (std::int64_t n = 0; n < count; ++n) work(i++);
    context.synchronize();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  };
  issue(1);
  if (on_gpu()) {
    while (issue(batch) < 2e-3 && batch < 65536) batch *= 2;
  }
  while (state.KeepRunningBatch(batch)) issue(batch);
}

/// Work per second, bytes moved (the least that the op has to) and flops.
inline void count(benchmark::State& state, const char* unit, double work, double bytes, double flops) {
  const auto rate = [](double value) {
    return benchmark::Counter(value, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters[unit] = rate(work);
  if (bytes > 0) state.counters["bytes/s"] = rate(bytes);
  if (flops > 0) state.counters["flop/s"] = rate(flops);
}

/// Uniform numbers in memory of the device, one stream of them per lane.
inline StackView<float> uniform(Context& context, Arena& arena, std::int64_t models, std::int64_t rows,
                                std::int64_t columns, std::uint32_t lane, float low = 0.0f, float high = 1.0f) {
  const StackView<float> values = arena.stack("values", models, rows, columns);
  run(context, FillUniform{.out = values, .key = {.seed = 7, .lane = lane}, .low = low, .high = high});
  return values;
}

/// Whether some row of a result holds the same numbers, up to a share of the largest, as the CPU backend gives.
inline bool close(const std::vector<float>& found, const std::vector<float>& expected, double tolerance) {
  double largest = 1e-30;
  for (const float value : expected) largest = std::max(largest, std::abs(static_cast<double>(value)));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!(std::abs(static_cast<double>(found[i]) - expected[i]) <= tolerance * largest)) return false;
  }
  return found.size() >= expected.size();
}
inline double tolerance_of(Precision precision) {
  return precision == Precision::fp32 ? 1e-5 : precision == Precision::tf32 ? 1e-2 : 6e-2;
}
/// The modes that differ on the device, the fastest first: a run that is cut short has that one.
inline std::vector<Precision> precisions() {
  if (!on_gpu()) return {Precision::bf16, Precision::fp32};
  return {Precision::bf16, Precision::tf32, Precision::fp32};
}

// One function per file of benchmarks; main() calls them when the device is known.
void add_peaks();
void add_ceilings();
void add_score_ops();
void add_normalisation();
void add_training();
void add_latent_search();
void add_dense();
void add_convolution();
void add_image_ops();
void add_images();
void add_element_wise();
void add_rows();
void add_masks();
void add_scoring();
void add_methods();
void add_c_api();
void add_library();  ///< CUDA builds only

}  // namespace cugad::bench
