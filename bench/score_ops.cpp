#include "bench/device.hpp"

/// The small ops around a score and a recorded step, on 121 columns: missing cells, search starts, the score of a
/// population, fences, the step counter.
namespace cugad::bench {
namespace {

constexpr std::int64_t width = 121;

void fill_missing(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  Context context = make_context();
  Arena arena(context);
  const StackView<float> x = uniform(context, arena, 1, rows, width, 0),
                         other = uniform(context, arena, 1, rows, width, 1), out = arena.stack("out", 1, rows, width);
  const FillMissing op = {.x = x, .replacement = other, .out = out};
  run(context, op);
  if (download(context, out.data, width) != download(context, x.data, width))
    return state.SkipWithError("cells that are there were changed");
  measure(state, context, [&](std::int64_t) { run(context, op); });
  count(state, "rows/s", static_cast<double>(rows), 8.0 * static_cast<double>(rows * width), 0);
}

void content_index(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  Context context = make_context();
  Arena arena(context);
  const StackView<float> x = uniform(context, arena, 1, rows, width, 0);
  const StackView<std::int32_t> index = arena.stack<std::int32_t>("index", 1, rows, 1);
  const ContentIndex op = {.x = x, .pool = 4096, .draws = 1, .index = index};
  run(context, op);
  const std::vector<float> row = download(context, x.data, width);
  std::int32_t expected = -1;
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, ContentIndex{.x = {row.data(), 1, 1, width}, .pool = 4096, .draws = 1, .index = {&expected, 1, 1, 1}});
  if (download(context, index.data, 1)[0] != expected) return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) { run(context, op); });
  count(state, "rows/s", static_cast<double>(rows), 4.0 * static_cast<double>(rows * width), 0);
}

/// Numeric columns without missing cells: the cost of nearly every row.
void cell_surprise(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  Context context = make_context();
  Arena arena(context);
  const StackView<float> x = uniform(context, arena, 1, rows, width, 0);
  std::vector<std::int32_t> sources;
  for (std::int32_t c = 0; c < width; ++c) sources.insert(sources.end(), {c, 1, 0});
  const StackView<std::int32_t> source = arena.stack<std::int32_t>("sources", 1, width, 3);
  context.backend().copy(source.data, sources.data(), sizeof(std::int32_t) * sources.size(), context.stream());
  const StackView<float> table = uniform(context, arena, 1, width, 2, 1),
                         surprise = arena.stack("surprise", 1, rows, 1);
  const CellSurprise op = {.x = x,
                           .source = source,
                           .constant = table.slice_columns(0, 1),
                           .weight = table,
                           .expected = table,
                           .surprise = surprise,
                           .residual = {}};
  run(context, op);
  for (const float found : download(context, surprise.data, rows)) {
    if (found != 0.0f) return state.SkipWithError("a complete row is surprising");
  }
  measure(state, context, [&](std::int64_t) { run(context, op); });
  count(state, "rows/s", static_cast<double>(rows), 4.0 * static_cast<double>(rows * width), 0);
}

/// A population of 8.
void combine_scores(benchmark::State& state) {
  const std::int64_t rows = state.range(0), models = 8;
  Context context = make_context();
  Arena arena(context);
  const StackView<float> residual = uniform(context, arena, models, rows, 1, 0),
                         logit = uniform(context, arena, models, rows, 1, 1),
                         statistics = uniform(context, arena, models, 1, 4, 2, 0.5f),
                         score = arena.stack("score", 1, rows, 1);
  const CombineScores op = {.residual = residual,
                            .logit = logit,
                            .statistics = statistics,
                            .compress = true,
                            .discriminator_weight = 0.5f,
                            .score = score};
  run(context, op);
  const std::vector<float> r = download(context, residual.data, models * rows),
                           l = download(context, logit.data, models * rows),
                           s = download(context, statistics.data, models * 4);
  std::vector<float> expected(static_cast<std::size_t>(rows));
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, CombineScores{.residual = {r.data(), models, rows, 1},
                         .logit = {l.data(), models, rows, 1},
                         .statistics = {s.data(), models, 1, 4},
                         .compress = true,
                         .discriminator_weight = 0.5f,
                         .score = {expected.data(), 1, rows, 1}});
  if (!close(download(context, score.data, rows), expected, 1e-6))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) { run(context, op); });
  count(state, "rows/s", static_cast<double>(rows), 4.0 * static_cast<double>(rows * (2 * models + 1)), 0);
}

void fence_rows(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  Context context = make_context();
  Arena arena(context);
  const StackView<float> real = uniform(context, arena, 1, rows, width, 0), out = arena.stack("out", 1, rows, width);
  const FenceRows op = {.real = real, .key = {.seed = 3, .purpose = RandomPurpose::fence}, .out = out};
  run(context, op);
  const std::vector<float> x = download(context, real.data, rows * width);
  std::vector<float> expected(x.size());
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, FenceRows{.real = {x.data(), 1, rows, width}, .key = op.key, .out = {expected.data(), 1, rows, width}});
  if (!close(download(context, out.data, rows * width), expected, 1e-6))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) { run(context, op); });
  count(state, "rows/s", static_cast<double>(rows), 8.0 * static_cast<double>(rows * width), 0);
}

/// One number each: the cost of a launch.
void advance_step(benchmark::State& state) {
  Context context = make_context();
  Arena arena(context);
  const StackView<std::uint32_t> counter = arena.stack<std::uint32_t>("step counter", 1, 1, 1);
  const StackView<float> scale = arena.stack("rate scale", 1, 1, 1);
  const AdvanceStep op = {.step_counter = counter.data, .rate_scale = scale.data, .final_rate = 0.5, .decay_steps = 1};
  run(context, op);
  if (download(context, counter.data, 1)[0] != 1 || download(context, scale.data, 1)[0] != 0.5f)
    return state.SkipWithError("the step was not counted");
  measure(state, context, [&](std::int64_t) { run(context, op); });
  count(state, "calls/s", 1.0, 0, 0);
}

}  // namespace

void add_score_ops() {
  const std::int64_t many = on_gpu() ? 1 << 18 : 1 << 14;
  const auto sizes = [&](benchmark::internal::Benchmark* each) {
    each->Arg(1024)->Arg(many)->Unit(benchmark::kMicrosecond);
  };
  sizes(add("fill_missing", fill_missing));
  sizes(add("content_index", content_index));
  sizes(add("cell_surprise", cell_surprise));
  sizes(add("combine_scores", combine_scores));
  sizes(add("fence_rows", fence_rows));
  add("advance_step", advance_step)->Unit(benchmark::kMicrosecond);
}

}  // namespace cugad::bench
