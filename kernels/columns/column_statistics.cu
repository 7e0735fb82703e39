#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/device/async_copy.cuh"
#include "kernels/device/entries.hpp"
#include "kernels/device/shared_memory.cuh"

/// A block owns 32 columns and walks down the rows twice. All its threads copy tiles of rows to shared memory; one
/// warp, a lane per column, adds them up in ascending order. That chain of double additions bounds the time; in return
/// the order, and so every bit, is that of the CPU.
namespace cugad::cuda {
namespace {

constexpr int block_threads = 256;
constexpr int block_columns = device::warp_lanes;
constexpr int tile_rows = 128;
constexpr int stages = 2;
constexpr std::int64_t most_blocks_z = 65535;

struct Values {
  double count = 0.0, mean = 0.0;
  float minimum = std::numeric_limits<float>::infinity(), maximum = -std::numeric_limits<float>::infinity();

  __device__ void add(float x) {
    const bool number = x == x;
    count += number ? 1.0 : 0.0;
    mean += number ? static_cast<double>(x) : 0.0;
    minimum = x < minimum ? x : minimum;
    maximum = x > maximum ? x : maximum;
  }
};

struct Moments {
  double mean, second = 0.0, third = 0.0;

  __device__ explicit Moments(double mean_) : mean(mean_) {}
  __device__ void add(float x) {
    const double difference = x == x ? static_cast<double>(x) - mean : 0.0;
    const double square = difference * difference;
    second += square;
    third += square * difference;
  }
};

/// Columns [first, first + columns) of one model.
struct Strip {
  MatrixView<const float> x;
  std::int64_t first;
  int columns;
  float* tiles;  ///< shared: [stages][tile_rows][block_columns]

  __device__ void copy_tile(std::int64_t tile) const {
    const int column = static_cast<int>(threadIdx.x) % block_columns;
    float* to = tiles + tile % stages * (tile_rows * block_columns);
    if (column < columns) {
      constexpr int rows_at_once = block_threads / block_columns;
      static_assert(tile_rows % rows_at_once == 0);
#pragma unroll 4
      for (int i = 0; i < tile_rows / rows_at_once; ++i) {
        const int r = static_cast<int>(threadIdx.x) / block_columns + i * rows_at_once;
        const std::int64_t row = tile * tile_rows + r;
        if (row < x.rows) device::copy_async4(to + r * block_columns + column, x.row(row) + first + column);
      }
    }
    device::copy_async_commit();
  }

  /// sums.add(value) for the rows in ascending order, in the lanes of the first warp.
  template <class Sums>
  __device__ void walk(Sums& sums) const {
    const std::int64_t tiles_in_all = (x.rows + tile_rows - 1) / tile_rows;
    const int column = static_cast<int>(threadIdx.x);
    copy_tile(0);
    for (std::int64_t tile = 0; tile < tiles_in_all; ++tile) {
      copy_tile(tile + 1);
      device::copy_async_wait<stages - 1>();
      __syncthreads();
      if (column < columns) {
        const float* at = tiles + tile % stages * (tile_rows * block_columns) + column;
        const std::int64_t left = x.rows - tile * tile_rows;
        const int rows = static_cast<int>(left < tile_rows ? left : tile_rows);
#pragma unroll 8
        for (int r = 0; r < rows; ++r) sums.add(at[r * block_columns]);
      }
      __syncthreads();
    }
    device::copy_async_wait<0>();
  }
};

__device__ void write_statistics(const Values& values, const Moments& moments, const MatrixView<double>& out,
                                 std::int64_t column) {
  const double n = values.count;
  // Asked of the range, not of the moments: the rounded mean of equal values may differ from them.
  const bool varies = n > 0.0 && values.minimum < values.maximum;
  const double deviation = varies ? std::sqrt(moments.second / n) : 0.0;
  const double cube = deviation * deviation * deviation;
  out.row(0)[column] = n;
  out.row(1)[column] = n > 0.0 && !varies ? static_cast<double>(values.minimum) : moments.mean;
  out.row(2)[column] = deviation;
  out.row(3)[column] = cube > 0.0 ? moments.third / n / cube : 0.0;
  out.row(4)[column] = n > 0.0 ? static_cast<double>(values.minimum) : 0.0;
  out.row(5)[column] = n > 0.0 ? static_cast<double>(values.maximum) : 0.0;
}

__global__ void __launch_bounds__(block_threads) column_statistics_kernel(ColumnStatistics args) {
  device::SharedMemory shared;
  float* tiles = shared.take<float>(stages * tile_rows * block_columns);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * block_columns, left = args.x.columns - first;
  const int columns = static_cast<int>(left < block_columns ? left : block_columns);
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    const Strip strip = {args.x.model(model), first, columns, tiles};
    Values values;
    strip.walk(values);
    Moments moments(values.mean / (values.count > 1.0 ? values.count : 1.0));
    strip.walk(moments);
    const int column = static_cast<int>(threadIdx.x);
    if (column < columns) write_statistics(values, moments, args.out.model(model), first + column);
  }
}

void run_column_statistics(Context& context, const ColumnStatistics& args) {
  if (args.x.models == 0 || args.x.columns == 0) return;
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(args.x.columns, block_columns), 1,
                    static_cast<unsigned>(std::min(args.x.models, most_blocks_z)));
  shape.block = dim3(block_threads);
  shape.shared_bytes = device::SharedLayout().add<float>(stages * tile_rows * block_columns).bytes();
  device::launch(context.stream(), "column_statistics", shape, column_statistics_kernel, args);
}

}  // namespace

OpEntry<ColumnStatistics> column_statistics_entry() {
  return {run_column_statistics, [](const Context&, const ColumnStatistics&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
