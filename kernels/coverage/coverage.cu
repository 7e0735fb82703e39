#include <algorithm>
#include <cmath>

#include "kernels/device/entries.hpp"
#include "kernels/device/limits.hpp"
#include "kernels/device/shared_memory.cuh"
#include "kernels/elementary.hpp"
#include "kernels/nearest_rows/nearest.hpp"

/// Three steps: the nearest generated row of every real row; the loss; and the gradient, gathered instead of scattered:
/// a warp per generated row scans all choices in ascending order and adds those of its row. So there are no atomics,
/// and the order of sums, and every bit, is that of the CPU.
namespace cugad::cuda {
namespace {

constexpr int block_threads = 256;
constexpr int warps = block_threads / device::warp_lanes;
constexpr int blocks_per_multiprocessor = 8;
constexpr int lane_columns = 4;  ///< columns of a generated row that a lane keeps at a time
constexpr int partials = 16;     ///< interleaved sums of the loss
constexpr int tile_groups = 128;
constexpr std::int64_t most_blocks_z = 65535;

struct Pull {
  Coverage args;
  StackView<const std::int32_t> nearest;  ///< [real rows, 1] per model
  float scale;
};

/// gradient += scale * (generated - real) for the real rows whose nearest is row j, ascending; columns first + lane,
/// + 32, ... For a whole warp.
__device__ void pull_row(const Pull& job, std::int64_t model, std::int64_t j, std::int64_t first, int lane) {
  const MatrixView<const float> real = job.args.real.model(model);
  const MatrixView<const std::int32_t> nearest = job.nearest.model(model);
  const float* generated = job.args.generated.model(model).row(j) + first;
  float* gradient = job.args.dgenerated.model(model).row(j) + first;
  const std::int64_t columns = real.columns - first;
  float value[lane_columns] = {}, sum[lane_columns] = {};
  bool chosen = false;
  for (std::int64_t r = 0; r < real.rows; r += device::warp_lanes) {
    unsigned mine = __ballot_sync(device::full_warp, r + lane < real.rows && *nearest.row(r + lane) == j);
    if (mine != 0 && !chosen) {
      chosen = true;
#pragma unroll
      for (int i = 0; i < lane_columns; ++i) {
        const int column = lane + i * device::warp_lanes;
        value[i] = column < columns ? generated[column] : 0.0f;
        sum[i] = column < columns ? gradient[column] : 0.0f;
      }
    }
    for (; mine != 0; mine &= mine - 1) {
      const float* x = real.row(r + __ffs(static_cast<int>(mine)) - 1) + first;
#pragma unroll
      for (int i = 0; i < lane_columns; ++i) {
        const int column = lane + i * device::warp_lanes;
        if (column < columns) sum[i] = multiply_add(job.scale, value[i] - x[column], sum[i]);
      }
    }
  }
  if (!chosen) return;
#pragma unroll
  for (int i = 0; i < lane_columns; ++i) {
    const int column = lane + i * device::warp_lanes;
    if (column < columns) gradient[column] = sum[i];
  }
}

__global__ void __launch_bounds__(block_threads) coverage_gradient_kernel(Pull job) {
  device::wait_for_earlier_work();
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  const std::int64_t first_row =
      static_cast<std::int64_t>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / device::warp_lanes;
  for (std::int64_t model = blockIdx.z; model < job.args.generated.models; model += gridDim.z) {
    for (std::int64_t j = first_row; j < job.args.generated.rows; j += std::int64_t{gridDim.x} * warps) {
      for (std::int64_t c = 0; c < job.args.generated.columns; c += lane_columns * device::warp_lanes) {
        pull_row(job, model, j, c, lane);
      }
    }
  }
}

/// The cells of the loss in the order of its sums: 16 columns of a real row make a group, the last one of a row filled
/// up with zeros, which change no sum of squares. A thread takes one place of every 16th group.
class Cells {
 public:
  static constexpr int step = block_threads / partials;  ///< groups

  __device__ Cells(const Pull& job, std::int64_t model, std::int64_t groups_per_row)
      : real_(job.args.real.model(model)),
        generated_(job.args.generated.model(model)),
        nearest_(job.nearest.model(model)),
        groups_per_row_(groups_per_row),
        row_(static_cast<int>(threadIdx.x) / partials / groups_per_row),
        group_(static_cast<int>(threadIdx.x) / partials % groups_per_row),
        step_rows_(step / groups_per_row),
        step_groups_(step % groups_per_row) {}

  /// generated - real of this thread's next cell; 0 beyond the last row.
  __device__ float next_difference() {
    const std::int64_t column = group_ * partials + static_cast<int>(threadIdx.x) % partials;
    const bool inside = row_ < real_.rows && column < real_.columns;
    const float difference = inside ? generated_.row(*nearest_.row(row_))[column] - real_.row(row_)[column] : 0.0f;
    row_ += step_rows_;
    group_ += step_groups_;
    if (group_ >= groups_per_row_) {
      group_ -= groups_per_row_;
      ++row_;
    }
    return difference;
  }

 private:
  MatrixView<const float> real_, generated_;
  MatrixView<const std::int32_t> nearest_;
  std::int64_t groups_per_row_, row_, group_, step_rows_, step_groups_;
};

/// weight * mean of the squares: 16 interleaved sums in double, then a tree. A block per model: all threads fetch, the
/// first 16 add.
__global__ void __launch_bounds__(block_threads, 2) coverage_loss_kernel(Pull job) {
  device::wait_for_earlier_work();
  constexpr int cells_per_thread = tile_groups / Cells::step;
  device::SharedMemory shared;
  float* tile = shared.take<float>(tile_groups * partials);
  const std::int64_t rows = job.args.real.rows, columns = job.args.real.columns;
  const std::int64_t groups_per_row = (columns + partials - 1) / partials, groups = rows * groups_per_row;
  for (std::int64_t model = blockIdx.z; model < job.args.generated.models; model += gridDim.z) {
    Cells cells(job, model, groups_per_row);
    double sum = 0.0;
    for (std::int64_t first = 0; first < groups; first += tile_groups) {
      float difference[cells_per_thread];  // all loads under way before the first is stored
#pragma unroll
      for (float& value : difference) value = cells.next_difference();
#pragma unroll
      for (int i = 0; i < cells_per_thread; ++i)
        tile[i * block_threads + static_cast<int>(threadIdx.x)] = difference[i];
      __syncthreads();
      const int count = static_cast<int>(groups - first < tile_groups ? groups - first : tile_groups);
      if (threadIdx.x < partials) {
#pragma unroll 8
        for (int g = 0; g < count; ++g) {
          const auto value = static_cast<double>(tile[g * partials + static_cast<int>(threadIdx.x)]);
          sum += value * value;
        }
      }
      __syncthreads();
    }
    if (threadIdx.x >= device::warp_lanes) continue;
#pragma unroll
    for (int half = partials / 2; half > 0; half /= 2) sum += __shfl_xor_sync(device::full_warp, sum, half);
    if (threadIdx.x != 0) continue;
    const double cell_count = static_cast<double>(rows) * static_cast<double>(columns);
    *job.args.loss.model(model).data = static_cast<float>(static_cast<double>(job.args.weight) * sum / cell_count);
  }
}

std::size_t index_bytes(const Coverage& args) {
  const auto count = static_cast<std::size_t>(args.real.models * args.real.rows);
  return (sizeof(std::int32_t) * count + 63) / 64 * 64;
}

/// The nearest generated row of every real row, into `scratch`.
NearestSearch search_of(const Coverage& args, void* scratch) {
  NearestSearch search;
  search.query = args.real;
  search.bank = args.generated;
  search.metric = Distance::squared;
  search.skip_missing = false;
  search.index = {static_cast<std::int32_t*>(scratch), args.real.models, args.real.rows, 1};
  return search;
}

std::size_t coverage_workspace(const Context& context, const Coverage& args) {
  return index_bytes(args) + nearest_scratch(context, search_of(args, nullptr));
}

void launch_gradient(Context& context, const Pull& job) {
  const std::int64_t rows = job.args.generated.rows;
  const std::int64_t enough = std::int64_t{blocks_per_multiprocessor} * device_limits(context).multiprocessors;
  device::LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(std::min<std::int64_t>((rows + warps - 1) / warps, enough)), 1,
                    static_cast<unsigned>(std::min(job.args.generated.models, most_blocks_z)));
  shape.block = dim3(block_threads);
  shape.waits = true;
  device::launch(context.stream(), "coverage gradient", shape, coverage_gradient_kernel, job);
}

void launch_loss(Context& context, const Pull& job) {
  device::LaunchShape shape;
  shape.grid = dim3(1, 1, static_cast<unsigned>(std::min(job.args.generated.models, most_blocks_z)));
  shape.block = dim3(block_threads);
  shape.shared_bytes = device::SharedLayout().add<float>(tile_groups * partials).bytes();
  shape.waits = true;
  device::launch(context.stream(), "coverage loss", shape, coverage_loss_kernel, job);
}

void run_coverage(Context& context, const Coverage& args) {
  if (args.real.models == 0 || args.real.rows == 0 || args.real.columns == 0) return;
  auto* scratch = static_cast<unsigned char*>(context.scratch(coverage_workspace(context, args)));
  const NearestSearch search = search_of(args, scratch);
  find_nearest(context, search, scratch + index_bytes(args));
  const double cells = static_cast<double>(args.real.rows) * static_cast<double>(args.real.columns);
  const Pull job = {args, search.index, static_cast<float>(2.0 * static_cast<double>(args.weight) / cells)};
  launch_gradient(context, job);
  if (args.loss) launch_loss(context, job);
}

}  // namespace

OpEntry<Coverage> coverage_entry() { return {run_coverage, coverage_workspace}; }

}  // namespace cugad::cuda
