#include "bench/device.hpp"
#include "kernels/cpu/parallel.hpp"

/// Ops on rows of data: distances, neighbours, gathering, the coverage term, ranking.
namespace cugad::bench {
namespace {

/// Distances of pairs of rows of 121 numbers; the first of them are computed again by the CPU backend.
void row_distance(benchmark::State& state) {
  const std::int64_t rows = state.range(0), width = 121;
  Context context = make_context();
  Arena arena(context);
  std::vector<std::pair<StackView<float>, StackView<float>>> pairs(
      static_cast<std::size_t>(copies_of(8 * rows * width)));
  for (auto& [a, b] : pairs) {
    a = uniform(context, arena, 1, rows, width, 0);
    b = uniform(context, arena, 1, rows, width, 1);
  }
  const StackView<float> distance = arena.stack("distance", 1, rows, 1);
  const auto op = [&](std::size_t i) {
    run(context, RowDistance{.a = pairs[i].first, .b = pairs[i].second, .distance = distance, .column_scale = {}});
  };
  op(0);
  const std::int64_t checked = std::min<std::int64_t>(rows, 64);
  const std::vector<float> a = download(context, pairs[0].first.data, checked * width),
                           b = download(context, pairs[0].second.data, checked * width);
  std::vector<float> expected(static_cast<std::size_t>(checked));
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, RowDistance{.a = {a.data(), 1, checked, width},
                       .b = {b.data(), 1, checked, width},
                       .distance = {expected.data(), 1, checked, 1},
                       .column_scale = {}});
  if (!close(download(context, distance.data, checked), expected, 1e-5))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t i) { op(static_cast<std::size_t>(i) % pairs.size()); });
  count(state, "rows/s", static_cast<double>(rows), 8.0 * static_cast<double>(rows * width),
        3.0 * static_cast<double>(rows * width));
}

/// Nearest of generated rows: queries/s. Arguments: columns (and queries, and rows of the bank).
void nearest_rows(benchmark::State& state, std::int64_t queries, std::int64_t bank_rows) {
  const std::int64_t columns = state.range(0);
  Context context = make_context();
  Arena arena(context);
  const StackView<float> query = uniform(context, arena, 1, queries, columns, 0),
                         bank = uniform(context, arena, 1, bank_rows, columns, 1),
                         distance = arena.stack("distance", 1, queries, 5);
  run(context, NearestRows{.query = query, .bank = bank, .neighbours = 5, .distance = distance, .index = {}});
  const std::int64_t checked = std::min<std::int64_t>(queries, 16);
  const std::vector<float> q = download(context, query.data, checked * columns),
                           b = download(context, bank.data, bank_rows * columns);
  std::vector<float> expected(static_cast<std::size_t>(checked * 5));
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, NearestRows{.query = {q.data(), 1, checked, columns},
                       .bank = {b.data(), 1, bank_rows, columns},
                       .neighbours = 5,
                       .distance = {expected.data(), 1, checked, 5},
                       .index = {}});
  if (!close(download(context, distance.data, checked * 5), expected, 1e-5))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) {
    run(context, NearestRows{.query = query, .bank = bank, .neighbours = 5, .distance = distance, .index = {}});
  });
  count(state, "queries/s", static_cast<double>(queries), 0, 3.0 * static_cast<double>(queries * bank_rows * columns));
}

void gather_rows(benchmark::State& state) {
  const std::int64_t rows = state.range(0), width = 121, source_rows = on_gpu() ? 1 << 20 : 1 << 15;
  Context context = make_context();
  Arena arena(context);
  const StackView<float> source = uniform(context, arena, 1, source_rows, width, 0),
                         out = arena.stack("out", 1, rows, width);
  const StackView<std::int32_t> index = arena.stack<std::int32_t>("index", 1, rows, 1);
  const auto op = [&](std::int64_t i) {
    run(context, SampleRows{.index = index,
                            .source_rows = static_cast<std::int32_t>(source_rows),
                            .first_row = {},
                            .row_count = {},
                            .key = {.seed = 1, .step = static_cast<std::uint32_t>(i)}});
    run(context, GatherRows{.source = source, .index = index, .out = out});
  };
  op(0);
  const std::int64_t last = rows - 1, chosen = download(context, index.data + last, 1)[0];
  if (download(context, out.model(0).row(last), width) != download(context, source.model(0).row(chosen), width))
    return state.SkipWithError("another row was gathered");
  measure(state, context, op);
  count(state, "rows/s", static_cast<double>(rows), 8.0 * static_cast<double>(rows * width), 0);
}

void coverage(benchmark::State& state) {
  const std::int64_t real_rows = state.range(0), generated_rows = 256, width = 32;
  Context context = make_context();
  Arena arena(context);
  const StackView<float> real = uniform(context, arena, 1, real_rows, width, 0),
                         generated = uniform(context, arena, 1, generated_rows, width, 1),
                         gradient = arena.stack("gradient", 1, generated_rows, width),
                         loss = arena.stack("loss", 1, 1, 1);
  const Coverage op = {.generated = generated, .real = real, .weight = 1.0f, .dgenerated = gradient, .loss = loss};
  run(context, op);
  const std::vector<float> g = download(context, generated.data, generated_rows * width),
                           r = download(context, real.data, real_rows * width);
  std::vector<float> expected(g.size()), mean(1);
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, Coverage{.generated = {g.data(), 1, generated_rows, width},
                    .real = {r.data(), 1, real_rows, width},
                    .weight = 1.0f,
                    .dgenerated = {expected.data(), 1, generated_rows, width},
                    .loss = {mean.data(), 1, 1, 1}});
  if (!close(download(context, loss.data, 1), mean, 1e-5)) return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) { run(context, op); });
  count(state, "rows/s", static_cast<double>(real_rows), 0,
        3.0 * static_cast<double>(real_rows * generated_rows * width));
}

/// Every second row is an anomaly, independent of its score: the area is near one half, and the same as the CPU
/// backend's.
void ranking_metrics(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  Context context = make_context();
  Arena arena(context);
  const StackView<float> score = uniform(context, arena, 1, 1, rows, 0);
  const StackView<std::uint8_t> label = arena.stack<std::uint8_t>("label", 1, 1, rows);
  const StackView<double> out = arena.stack<double>("out", 1, 1, 2);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < labels.size(); i += 2) labels[i] = 1;
  context.backend().copy(label.data, labels.data(), labels.size(), context.stream());
  const RankingMetrics op = {.score = score, .label = label, .out = out};
  run(context, op);
  const std::vector<float> scores = download(context, score.data, rows);
  std::vector<double> expected(2);
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, RankingMetrics{.score = {scores.data(), 1, 1, rows},
                          .label = {labels.data(), 1, 1, rows},
                          .out = {expected.data(), 1, 1, 2}});
  if (download(context, out.data, 2) != expected) return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) { run(context, op); });
  count(state, "rows/s", static_cast<double>(rows), 5.0 * static_cast<double>(rows), 0);
}

/// Chunks of 16,384 rows of the host's, copied to the staging buffer, on their way to a GPU. Arguments: columns, the
/// gap between two rows, threads (the product uses one).
void stage_rows(benchmark::State& state) {
  const std::int64_t rows = 16384, columns = state.range(0), stride = columns + state.range(1), chunks = 8;
  std::vector<float> source(static_cast<std::size_t>(chunks * rows * stride), 1.0f);
  std::vector<float> target(static_cast<std::size_t>(rows * columns));
  std::int64_t chunk = 0;
  for ([[maybe_unused]] auto _ : state) {
    const float* from = source.data() + chunk++ % chunks * rows * stride;
    cpu::parallel_ranges(static_cast<int>(state.range(2)), rows, [&](int, std::int64_t begin, std::int64_t end) {
      cugad::stage_rows({from + begin * stride, end - begin, columns, stride}, target.data() + begin * columns);
    });
  }
  if (target != std::vector<float>(target.size(), 1.0f)) return state.SkipWithError("rows are missing");
  count(state, "rows/s", static_cast<double>(rows), 8.0 * static_cast<double>(rows * columns), 0);
}

}  // namespace

void add_rows() {
  const std::int64_t many = on_gpu() ? 1 << 20 : 1 << 14;
  add("row_distance", row_distance)->Arg(4096)->Arg(many)->Unit(benchmark::kMicrosecond);
  add("nearest_rows", nearest_rows, std::int64_t{1024}, std::int64_t{3000})
      ->Arg(8)
      ->Arg(32)
      ->Arg(121)
      ->Unit(benchmark::kMillisecond);
  if (on_gpu()) {
    for (const std::int64_t bank_rows : {3000, 12000, 100000}) {
      add("nearest_rows_of_many/bank:" + std::to_string(bank_rows), nearest_rows, std::int64_t{16384}, bank_rows)
          ->Arg(10)
          ->Arg(32)
          ->Arg(121)
          ->Unit(benchmark::kMillisecond);
    }
  }
  add("gather_rows", gather_rows)->Arg(1024)->Arg(many / 4)->Unit(benchmark::kMicrosecond);
  add("stage_rows", stage_rows)->ArgsProduct({{10, 41, 121}, {0, 1}, {1, 2}})->UseRealTime();
  add("coverage", coverage)->Arg(64)->Arg(1024)->Unit(benchmark::kMicrosecond);
  add("ranking_metrics", ranking_metrics)->Arg(4096)->Arg(many)->Unit(benchmark::kMicrosecond);
}

}  // namespace cugad::bench
