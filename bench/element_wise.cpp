#include <cstring>

#include "bench/device.hpp"

/// Ops that are bound by memory: Adam, the loss, random numbers, columns.
namespace cugad::bench {
namespace {

void adam(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const bool averaged = state.range(1) != 0;
  Context context = make_context();
  Arena arena(context);
  struct Buffers {
    StackView<float> parameter, gradient, first, second, average;
  };
  const auto make = [&](Arena& from) {
    return Buffers{from.stack("w", 1, 1, n), from.stack("g", 1, 1, n), from.stack("m", 1, 1, n),
                   from.stack("v", 1, 1, n), averaged ? from.stack("average", 1, 1, n) : StackView<float>()};
  };
  const auto step = [](const Buffers& b, std::int64_t t) {
    return Adam{.parameter = b.parameter,
                .gradient = b.gradient,
                .first_moment = b.first,
                .second_moment = b.second,
                .average = b.average,
                .model_scale = {},
                .squared_norm = {},
                .average_decay = 0.9999f,
                .step = t};
  };
  std::vector<Buffers> buffers(static_cast<std::size_t>(copies_of(20 * n)));
  for (Buffers& b : buffers) {
    b = make(arena);
    run(context, FillUniform{.out = b.gradient, .key = {.seed = 3}, .low = -1.0f});
  }
  run(context, step(buffers[0], 1));
  Context cpu = Device::open("cpu", 1).make_context(1);
  Arena host(cpu);
  const std::int64_t checked = std::min<std::int64_t>(n, 4096);
  std::vector<float> gradient = download(context, buffers[0].gradient.data, checked), zero(gradient.size()), m = zero,
                     v = zero, w = zero;
  const auto row = [&](std::vector<float>& values) { return StackView<float>(values.data(), 1, 1, checked); };
  run(cpu, step({row(w), row(gradient), row(m), row(v), {}}, 1));
  if (!close(download(context, buffers[0].parameter.data, checked), w, 1e-5))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context,
          [&](std::int64_t i) { run(context, step(buffers[static_cast<std::size_t>(i) % buffers.size()], i + 2)); });
  count(state, "parameters/s", static_cast<double>(n), (averaged ? 36.0 : 28.0) * static_cast<double>(n), 0);
}

void sigmoid_cross_entropy(benchmark::State& state) {
  const std::int64_t rows = state.range(0), models = state.range(1);
  Context context = make_context();
  Arena arena(context);
  std::vector<StackView<float>> logit(static_cast<std::size_t>(copies_of(8 * rows * models)));
  for (StackView<float>& one : logit) one = uniform(context, arena, models, rows, 1, 0, -3.0f, 3.0f);
  const StackView<float> gradient = arena.stack("gradient", models, rows, 1), loss = arena.stack("loss", models, 1, 1);
  const auto op = [&](const StackView<float>& l) {
    return SigmoidCrossEntropy{
        .logit = l, .target = 1.0f, .dlogit = gradient, .per_row = {}, .loss = loss, .mean_probability = {}};
  };
  run(context, op(logit[0]));
  std::vector<float> l = download(context, logit[0].data, rows), mean(1);
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, SigmoidCrossEntropy{.logit = StackView<const float>(l.data(), 1, rows, 1),
                               .target = 1.0f,
                               .dlogit = {},
                               .per_row = {},
                               .loss = {mean.data(), 1, 1, 1},
                               .mean_probability = {}});
  if (!close(download(context, loss.data, 1), mean, 1e-5)) return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t i) { run(context, op(logit[static_cast<std::size_t>(i) % logit.size()])); });
  count(state, "rows/s", static_cast<double>(rows * models), 8.0 * static_cast<double>(rows * models), 0);
}

void fill_normal(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  Context context = make_context();
  Arena arena(context);
  const StackView<float> out = arena.stack("out", 1, 1, n);
  run(context, FillNormal{.out = out, .key = {.seed = 3}});
  std::vector<float> expected(static_cast<std::size_t>(std::min<std::int64_t>(n, 4096)));
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, FillNormal{.out = {expected.data(), 1, 1, static_cast<std::int64_t>(expected.size())}, .key = {.seed = 3}});
  if (!close(download(context, out.data, static_cast<std::int64_t>(expected.size())), expected, 1e-7))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t i) {
    run(context, FillNormal{.out = out, .key = {.seed = 3, .step = static_cast<std::uint32_t>(i)}});
  });
  count(state, "numbers/s", static_cast<double>(n), 4.0 * static_cast<double>(n), 0);
}

/// Statistics, scaling and quantiles of rows x 121 numbers; the same numbers in another memory must give the same bits.
void columns(benchmark::State& state, int which) {
  const std::int64_t rows = state.range(0), width = 121;
  Context context = make_context();
  Arena arena(context);
  std::vector<StackView<float>> x(std::max<std::size_t>(2, static_cast<std::size_t>(copies_of(4 * rows * width))));
  for (StackView<float>& one : x) one = uniform(context, arena, 1, rows, width, 0);
  const StackView<double> statistics = arena.stack<double>("statistics", 1, 6, width),
                          ones = statistics.slice_rows(0, 1);
  const StackView<float> out = arena.stack("out", 1, rows, width);
  const StackView<float> result = which == 0 ? StackView<float>(reinterpret_cast<float*>(statistics.data), 1, 12, width)
                                  : which == 1 ? out
                                               : StackView<float>(out.data, 1, 1, 1);
  const auto issue = [&](const StackView<float>& from) {
    if (which == 0) run(context, ColumnStatistics{.x = from, .out = statistics});
    if (which == 1) run(context, ScaleColumns{.x = from, .shift = ones, .scale = ones, .log1p = {}, .y = out});
    if (which == 2) {
      const StackView<const float> flat(from.data, 1, 1, rows * width);
      run(context, Quantile{.values = flat, .count = 1, .probability = {0.95}, .out = result});
    }
  };
  issue(x[0]);
  const std::vector<float> first = download_rows(context, result.model(0));
  issue(x[1]);
  const std::vector<float> second = download_rows(context, result.model(0));
  if (std::memcmp(first.data(), second.data(), sizeof(float) * first.size()) != 0)
    return state.SkipWithError("equal rows give other numbers");
  if (which == 2 && !close(first, {0.95f}, 0.02)) return state.SkipWithError("not the quantile of uniform numbers");
  measure(state, context, [&](std::int64_t i) { issue(x[static_cast<std::size_t>(i) % x.size()]); });
  count(state, "rows/s", static_cast<double>(rows), (which == 1 ? 8.0 : 4.0) * static_cast<double>(rows * width), 0);
}

}  // namespace

void add_element_wise() {
  auto* steps = add("adam", adam)->Unit(benchmark::kMicrosecond);
  for (const std::int64_t n : {100000, 1000000, 16000000, 64000000}) {
    if (on_gpu() || n <= 1000000) steps->Args({n, 0})->Args({n, 1});
  }
  add("sigmoid_cross_entropy", sigmoid_cross_entropy)
      ->Args({50, 1})
      ->Args({4096, 1})
      ->Args({65536, 1})
      ->Args({50, 256})
      ->Unit(benchmark::kMicrosecond);
  add("fill_normal", fill_normal)
      ->Arg(1600)
      ->Arg(1 << 20)
      ->Arg(on_gpu() ? 1 << 27 : 1 << 22)
      ->Unit(benchmark::kMicrosecond);
  int which = 0;
  for (const char* name : {"column_statistics", "scale_columns", "quantile"})
    add(name, columns, which++)->Arg(4096)->Arg(on_gpu() ? 1 << 20 : 1 << 15)->Unit(benchmark::kMicrosecond);
}

}  // namespace cugad::bench
