#include "bench/device.hpp"

/// The ops on hidden cells, of 121 columns: half of the cells are hidden.
namespace cugad::bench {
namespace {

constexpr std::int64_t width = 121, models = 4, entries = 2000;

/// The same numbers on every device.
struct Cells {
  StackView<float> x, statistics, noise, value;  ///< value: one per model
  StackView<float> masked, mask, table;
  StackView<std::int32_t> count;
  StackView<float> out, means;

  Cells(Context& context, Arena& arena, std::int64_t rows)
      : x(uniform(context, arena, 1, rows, width, 0)),
        statistics(uniform(context, arena, 1, rows, 2 * width, 1, -1.0f)),
        noise(uniform(context, arena, 1, rows, width, 2, -1.0f)),
        value(uniform(context, arena, models, rows, width, 3)),
        masked(arena.stack("masked", 1, rows, 2 * width)),
        mask(masked.slice_columns(width, width)),
        table(arena.stack("table", 1, width, entries)),
        count(arena.stack<std::int32_t>("count", 1, width, 1)),
        out(uniform(context, arena, 1, rows, 2 * width, 4)),
        means(arena.stack("means", 1, 1, 2)) {
    MaskColumns half;
    half.x = x;
    half.key = {.seed = 3};
    half.lowest = half.highest = 0.5f;
    half.out = masked;
    run(context, half);
    std::vector<float> ascending(static_cast<std::size_t>(width * entries));
    for (std::size_t i = 0; i < ascending.size(); ++i) {
      ascending[i] = static_cast<float>(i % entries) / static_cast<float>(entries);
    }
    const std::vector<std::int32_t> all(static_cast<std::size_t>(width), static_cast<std::int32_t>(entries));
    context.backend().copy(table.data, ascending.data(), sizeof(float) * ascending.size(), context.stream());
    context.backend().copy(count.data, all.data(), sizeof(std::int32_t) * all.size(), context.stream());
    context.synchronize();
  }
};

void mask_columns(Context& context, const Cells& cells) {
  MaskColumns op;
  op.x = cells.x;
  op.key = {.seed = 5};
  op.out = cells.out;
  run(context, op);
}

void gaussian_imputation(Context& context, const Cells& cells) {
  GaussianImputation op;
  op.statistics = cells.statistics;
  op.x = cells.x;
  op.mask = cells.mask;
  op.noise = cells.noise;
  op.out = cells.out.slice_columns(0, width);
  run(context, op);
}

void gaussian_likelihood(Context& context, const Cells& cells) {
  GaussianLikelihood op;
  op.statistics = cells.statistics;
  op.x = cells.x;
  op.mask = cells.mask;
  op.dstatistics = cells.out;
  op.loss = cells.means.slice_columns(0, 1);
  op.dimputed = cells.x;
  op.noise = cells.noise;
  run(context, op);
}

void cell_cross_entropy(Context& context, const Cells& cells) {
  CellCrossEntropy op;
  op.logit = cells.noise;
  op.mask = cells.mask;
  op.dlogit = cells.out.slice_columns(0, width);
  op.loss = cells.means.slice_columns(0, 1);
  op.mean_probability = cells.means.slice_columns(1, 1);
  run(context, op);
}

void column_ranks(Context& context, const Cells& cells) {
  ColumnRanks op;
  op.value = cells.value;
  op.x = cells.x;
  op.table = cells.table;
  op.count = cells.count;
  op.mean = cells.out.slice_columns(0, width);
  op.rank = cells.out.slice_columns(width, width);
  run(context, op);
}

/// `cell_bytes`: what the op has to read and write of each cell.
void time_cells(benchmark::State& state, void (*op)(Context&, const Cells&), double cell_bytes) {
  const std::int64_t rows = state.range(0);
  Context context = make_context(), cpu = Device::open("cpu", 1).make_context(1);
  Arena arena(context), cpu_arena(cpu);
  const Cells cells(context, arena, rows), expected(cpu, cpu_arena, rows);
  op(context, cells);
  op(cpu, expected);
  const std::int64_t size = rows * 2 * width;
  if (!close(download(context, cells.out.data, size), download(cpu, expected.out.data, size), 1e-6))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) { op(context, cells); });
  count(state, "rows/s", static_cast<double>(rows), cell_bytes * static_cast<double>(rows * width), 0);
}

}  // namespace

void add_masks() {
  const std::int64_t many = on_gpu() ? 1 << 18 : 1 << 14;
  const auto sizes = [&](const char* name, void (*op)(Context&, const Cells&), double cell_bytes) {
    add(name, time_cells, op, cell_bytes)->Arg(256)->Arg(many)->Unit(benchmark::kMicrosecond);
  };
  sizes("mask_columns", mask_columns, 12.0);
  sizes("gaussian_imputation", gaussian_imputation, 16.0);
  sizes("gaussian_likelihood", gaussian_likelihood, 28.0);
  sizes("cell_cross_entropy", cell_cross_entropy, 12.0);
  sizes("column_ranks", column_ranks, 4.0 * (models + 3));
}

}  // namespace cugad::bench
