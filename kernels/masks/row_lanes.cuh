#pragma once

#include "kernels/losses/loss_sum.cuh"

/// How the losses over cells share out rows: 1 to 32 neighbouring lanes per row, as many as it has columns, and
/// `rows_per_lane` rows, one after the other, for each group of lanes. A function of the number of columns alone, and
/// so is the order of the loss: a lane's columns ascending, its rows ascending, then as in loss_sum.cuh.
namespace cugad::cuda {
namespace {

struct RowLanes {
  static constexpr std::int64_t rows_per_lane = 4;
  int lanes = 1;  ///< a power of two

  explicit RowLanes(std::int64_t columns) {
    while (lanes < device::warp_lanes && lanes < columns) lanes *= 2;
  }
  std::int64_t chunk_rows() const { return rows_per_lane * loss_threads / lanes; }
  std::int64_t chunks(std::int64_t rows) const { return (rows + chunk_rows() - 1) / chunk_rows(); }

  /// Calls run(row, lane, is_row) for this thread's rows of chunk blockIdx.x, equally often in all threads, so that
  /// they may shuffle. Behind the last row is_row is false, and `row` is the first.
  template <class Run>
  __device__ void over_rows(std::int64_t rows, const Run& run) const {
    const int lane = static_cast<int>(threadIdx.x) % lanes, group = static_cast<int>(threadIdx.x) / lanes;
#pragma unroll 1
    for (std::int64_t i = 0; i < rows_per_lane; ++i) {
      const std::int64_t row = (blockIdx.x * rows_per_lane + i) * (loss_threads / lanes) + group;
      run(row < rows ? row : 0, lane, row < rows);
    }
  }

  /// The sum over the lanes of a row, in each of them.
  __device__ int sum(int value) const {
    for (int offset = lanes / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(device::full_warp, value, offset);
    return value;
  }
};

}  // namespace
}  // namespace cugad::cuda
