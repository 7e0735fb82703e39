#include <limits>

#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/masks/category.hpp"
#include "kernels/masks/rank.hpp"

/// Half a warp per row: lane l holds partial sum l, then a tree, which is the CPU's order. Every lane walks the models
/// of its cells and searches the tables of its columns.
namespace cugad::cuda {
namespace {

constexpr int partials = 16;
constexpr int block_threads = 256;
constexpr int block_rows = block_threads / partials;

/// Column c: writes the mean and the rank of the cell that begins there. Returns the rank, and whether it counts.
__device__ float rank_cell(const ColumnRanks& args, std::int64_t r, std::int64_t c, bool& counts) {
  const float x = args.x.model(0).row(r)[c];
  const std::int64_t end = cell_end(args.group.model(0).data, c, args.x.columns);
  counts = end > c && x == x;
  float mean = std::numeric_limits<float>::quiet_NaN(), rank = 0.0f;
  if (counts) {
    mean = mean_over_models(args.value, r, c, end);
    rank = rank_of(args.table.model(0).row(c), *args.count.model(0).row(c), mean, args.leave_one_out);
  }
  for (std::int64_t i = c; args.mean && i < end; ++i) args.mean.model(0).row(r)[i] = mean;
  if (args.rank) args.rank.model(0).row(r)[c] = rank;
  return rank;
}

__global__ void __launch_bounds__(block_threads) column_ranks_kernel(ColumnRanks args) {
  const int lane = static_cast<int>(threadIdx.x) % partials;
  const std::int64_t row = std::int64_t{blockIdx.x} * block_rows + threadIdx.x / partials;
  const bool is_row = row < args.x.rows;  // lanes without a row take part in the shuffles
  double sum = 0.0;
  int cells = 0;
  for (std::int64_t c = lane; is_row && c < args.x.columns; c += partials) {
    bool counts = false;
    sum += static_cast<double>(rank_cell(args, row, c, counts));
    cells += counts ? 1 : 0;
  }
#pragma unroll
  for (int half = partials / 2; half > 0; half /= 2) {
    sum += __shfl_xor_sync(device::full_warp, sum, half);
    cells += __shfl_xor_sync(device::full_warp, cells, half);
  }
  if (!is_row || lane != 0 || !args.score) return;
  *args.score.model(0).row(row) =
      cells > 0 ? static_cast<float>(sum / static_cast<double>(cells)) : std::numeric_limits<float>::quiet_NaN();
}

void run_column_ranks(Context& context, const ColumnRanks& args) {
  if (args.x.rows == 0) return;
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(args.x.rows, block_rows));
  shape.block = dim3(block_threads);
  device::launch(context.stream(), "column_ranks", shape, column_ranks_kernel, args);
}

}  // namespace

OpEntry<ColumnRanks> column_ranks_entry() {
  return {run_column_ranks, [](const Context&, const ColumnRanks&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
