#pragma once

#include <cmath>

#include "cugad/ops.hpp"
#include "kernels/device/shared_memory.cuh"
#include "kernels/elementary.hpp"

/// A block's tile of distances: QUERIES x BANK rows, 4 x 4 of them in the registers of each thread. Both operands pass
/// through shared memory in steps of 16 columns, transposed, so that a thread reads four rows of a column at once.
/// Every sum is one chain over ascending columns: the bits do not depend on the tile.
namespace cugad::cuda {

constexpr int tile_threads = 256;
constexpr int tile_columns = 16;

template <int QUERIES>
struct DistanceTile {
  static constexpr int queries = QUERIES;
  static constexpr int bank = tile_threads * 16 / QUERIES;
  static constexpr int bank_threads = bank / 4;
  static constexpr int query_stride = queries + 4, bank_stride = bank + 4;  // rows of float4, fewer bank conflicts

  float* query_cells;  ///< shared: [tile_columns][query_stride]
  float* bank_cells;   ///< shared: [tile_columns][bank_stride]
  unsigned* missing;   ///< shared: whether a cell of the queries was NaN

  static void add_to(device::SharedLayout& layout) {
    layout.add<float>(tile_columns * query_stride);
    layout.add<float>(tile_columns * bank_stride);
    layout.add<unsigned>(1);
  }
  __device__ explicit DistanceTile(device::SharedMemory& shared)
      : query_cells(shared.take<float>(tile_columns * query_stride)),
        bank_cells(shared.take<float>(tile_columns * bank_stride)),
        missing(shared.take<unsigned>(1)) {}

  /// The first of this thread's four queries and of its four bank rows.
  __device__ static int first_query() { return static_cast<int>(threadIdx.x) / bank_threads * 4; }
  __device__ static int first_bank() { return static_cast<int>(threadIdx.x) % bank_threads * 4; }

  /// sum[i][j] between query first_row + first_query() + i and bank row first_bank_row + first_bank() + j. Rows outside
  /// the matrices count as zeros. All threads must call; *missing must have been cleared before a barrier.
  template <bool ABSOLUTE>
  __device__ void distances(const MatrixView<const float>& query, std::int64_t first_row,
                            const MatrixView<const float>& rows, std::int64_t first_bank_row, bool skip_missing,
                            float (&sum)[4][4]) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) sum[i][j] = 0.0f;
    }
    for (std::int64_t first = 0; first < query.columns; first += tile_columns) {
      const std::int64_t left = query.columns - first;
      const int columns = static_cast<int>(left < tile_columns ? left : tile_columns);
      __syncthreads();  // the cells of the step before have been read
      const bool any = load<queries, query_stride>(query, first_row, first, columns, query_cells);
      if (any && skip_missing) atomicOr(missing, 1u);
      load<bank, bank_stride>(rows, first_bank_row, first, columns, bank_cells);
      __syncthreads();
      if (*missing != 0) {
        for (int c = 0; c < columns; ++c) add_column<ABSOLUTE, true>(c, sum);
      } else if (columns == tile_columns) {
#pragma unroll
        for (int c = 0; c < tile_columns; ++c) add_column<ABSOLUTE, false>(c, sum);
      } else {
        for (int c = 0; c < columns; ++c) add_column<ABSOLUTE, false>(c, sum);
      }
    }
  }

 private:
  /// Copies `columns` columns of COUNT rows, transposed; whether one of this thread's cells is NaN. Sixteen threads
  /// take neighbouring cells of a row.
  template <int COUNT, int STRIDE>
  __device__ static bool load(const MatrixView<const float>& from, std::int64_t first_row, std::int64_t first_column,
                              int columns, float* to) {
    const int column = static_cast<int>(threadIdx.x) % tile_columns;
    if (column >= columns) return false;
    bool missing_cell = false;
    constexpr int rows_at_once = tile_threads / tile_columns;
    static_assert(COUNT % rows_at_once == 0);
#pragma unroll 4
    for (int i = 0; i < COUNT / rows_at_once; ++i) {
      const int r = static_cast<int>(threadIdx.x) / tile_columns + i * rows_at_once;
      const std::int64_t row = first_row + r;
      const float value = row < from.rows ? from.row(row)[first_column + column] : 0.0f;
      missing_cell |= value != value;
      to[column * STRIDE + r] = value;
    }
    return missing_cell;
  }

  template <bool ABSOLUTE, bool MASKED>
  __device__ void add_column(int c, float (&sum)[4][4]) const {
    const float4 q = *reinterpret_cast<const float4*>(query_cells + c * query_stride + first_query());
    const float4 b = *reinterpret_cast<const float4*>(bank_cells + c * bank_stride + first_bank());
    const float x[4] = {q.x, q.y, q.z, q.w}, y[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float difference = MASKED && x[i] != x[i] ? 0.0f : x[i] - y[j];
        sum[i][j] = ABSOLUTE ? sum[i][j] + fabsf(difference) : multiply_add(difference, difference, sum[i][j]);
      }
    }
  }
};

}  // namespace cugad::cuda
