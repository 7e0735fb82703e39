#pragma once

#include "cugad/device.hpp"
#include "kernels/batch_norm/normalise.hpp"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared_memory.cuh"

/// How a block looks at a batch: 16 neighbouring columns, 16 threads for each, of which thread p takes the rows p, p +
/// 16, ... Half a warp reads 64 neighbouring bytes, and a thread's sums are partial sum p of its column.
namespace cugad::cuda {

constexpr int block_columns = 16;
constexpr int block_threads = block_columns * row_partials;

struct ColumnPlace {
  std::int64_t column;
  int partial;
  bool inside;  ///< threads beyond the last column only take part in barriers

  __device__ explicit ColumnPlace(std::int64_t columns)
      : column(static_cast<std::int64_t>(blockIdx.x) * block_columns + static_cast<int>(threadIdx.x) % block_columns),
        partial(static_cast<int>(threadIdx.x) / block_columns),
        inside(column < columns) {}
};

constexpr device::SharedLayout column_layout() { return device::SharedLayout().add<double>(block_threads); }

/// The sum of a column's partial sums, as the CPU's tree adds them, for all of its threads.
__device__ inline double column_total(double value, double* scratch) {
  __syncthreads();  // all reads of an earlier sum are done
  scratch[threadIdx.x] = value;
  __syncthreads();
  double partial[row_partials];
#pragma unroll
  for (int p = 0; p < row_partials; ++p) {
    partial[p] = scratch[p * block_columns + static_cast<int>(threadIdx.x) % block_columns];
  }
  return device::tree_sum(partial);
}

/// A block per 16 columns and model.
inline device::LaunchShape column_shape(std::int64_t models, std::int64_t columns) {
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(columns, block_columns), 1, device::model_blocks(models));
  shape.block = dim3(block_threads);
  shape.shared_bytes = column_layout().bytes();
  return shape;
}

}  // namespace cugad::cuda
