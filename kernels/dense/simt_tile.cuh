#pragma once

#include "kernels/dense/tile_product.cuh"
#include "kernels/elementary.hpp"

/// Exact float32 products: every element is one chain of fused multiply-adds over k = 0, 1, ... from its start, as on
/// the CPU. A thread owns groups of four consecutive rows and of four consecutive columns; groups of neighbouring
/// threads are neighbours.
namespace cugad::cuda {

template <int tile_rows, int tile_columns, int micro_rows, int micro_columns>
class SimtTile {
 public:
  static constexpr int rows = tile_rows, columns = tile_columns;
  static constexpr int threads_across = tile_columns / micro_columns, threads_down = tile_rows / micro_rows;
  static constexpr int threads = threads_down * threads_across;
  /// Blocks that a multiprocessor must be able to hold: bounds the registers of a thread.
  static constexpr int resident_blocks = 384 / threads;
  /// Strides of 20 floats: eight neighbouring rows, 16 bytes of each, lie in different banks.
  static constexpr int contiguous_padding = 4, strided_padding = 4;
  /// Neighbouring threads read rows, or columns, 4 apart: those stand in neighbouring rows of the panel.
  static constexpr int interleave = 4;
  static_assert(micro_rows % 4 == 0 && micro_columns % 4 == 0);

  /// Sums start at start[column], or at 0 where start is null or column >= count.
  __device__ void begin(const float* start, int count) {
#pragma unroll
    for (int j = 0; j < micro_columns; ++j) {
      const float value = start != nullptr && column(j) < count ? start[column(j)] : 0.0f;
#pragma unroll
      for (int i = 0; i < micro_rows; ++i) sums_[i][j] = value;
    }
  }

  /// Adds the first `depth` terms of a panel; those beyond must not count, not even as 0 (which would lose a -0).
  template <Order left, Order right>
  __device__ void multiply(const float* a, const float* b, int depth) {
    if (depth == panel_depth) {
#pragma unroll 2
      for (int k = 0; k < panel_depth; k += 4) multiply_four<left, right, false>(a, b, k, depth);
    } else {
#pragma unroll 1
      for (int k = 0; k < depth; k += 4) multiply_four<left, right, true>(a, b, k, depth);
    }
  }

  __device__ void store(float* shared) const {
#pragma unroll
    for (int i = 0; i < micro_rows; ++i) {
#pragma unroll
      for (int j = 0; j < micro_columns; j += 4)
        *reinterpret_cast<float4*>(shared + row(i) * sums_stride<SimtTile> + column(j)) =
            make_float4(sums_[i][j], sums_[i][j + 1], sums_[i][j + 2], sums_[i][j + 3]);
    }
  }

 private:
  static __device__ int across() { return static_cast<int>(threadIdx.x % threads_across); }
  static __device__ int down() { return static_cast<int>(threadIdx.x / threads_across); }
  static __device__ int row(int i) { return 4 * (down() + i / 4 * threads_down) + i % 4; }
  static __device__ int column(int j) { return 4 * (across() + j / 4 * threads_across) + j % 4; }
  /// Where they stand in a panel that load_tile_async has interleaved.
  static __device__ int row_place(int i) { return i % 4 * (rows / 4) + down() + i / 4 * threads_down; }
  static __device__ int column_place(int j) { return j % 4 * (columns / 4) + across() + j / 4 * threads_across; }

  static __device__ void split(const float4& four, float& a, float& b, float& c, float& d) {
    a = four.x;
    b = four.y;
    c = four.z;
    d = four.w;
  }

  /// Terms k to k + 3.
  template <Order left, Order right, bool ragged>
  __device__ void multiply_four(const float* a, const float* b, int k, int depth) {
    constexpr int left_stride = LeftPanel<SimtTile, left>::stride, right_stride = RightPanel<SimtTile, right>::stride;
    float x[micro_rows][4], w[micro_columns][4];
    const auto four = [](const float* at) { return *reinterpret_cast<const float4*>(at); };
    if constexpr (left == Order::k_contiguous) {
#pragma unroll
      for (int i = 0; i < micro_rows; ++i)
        split(four(a + row_place(i) * left_stride + k), x[i][0], x[i][1], x[i][2], x[i][3]);
    } else {
#pragma unroll
      for (int t = 0; t < 4; ++t) {
#pragma unroll
        for (int i = 0; i < micro_rows; i += 4)
          split(four(a + (k + t) * left_stride + row(i)), x[i][t], x[i + 1][t], x[i + 2][t], x[i + 3][t]);
      }
    }
    if constexpr (right == Order::k_contiguous) {
#pragma unroll
      for (int j = 0; j < micro_columns; ++j)
        split(four(b + column_place(j) * right_stride + k), w[j][0], w[j][1], w[j][2], w[j][3]);
    } else {
#pragma unroll
      for (int t = 0; t < 4; ++t) {
#pragma unroll
        for (int j = 0; j < micro_columns; j += 4)
          split(four(b + (k + t) * right_stride + column(j)), w[j][t], w[j + 1][t], w[j + 2][t], w[j + 3][t]);
      }
    }
#pragma unroll
    for (int t = 0; t < 4; ++t) {
      if (ragged && k + t >= depth) break;
#pragma unroll
      for (int i = 0; i < micro_rows; ++i) {
#pragma unroll
        for (int j = 0; j < micro_columns; ++j) sums_[i][j] = multiply_add(x[i][t], w[j][t], sums_[i][j]);
      }
    }
  }

  float sums_[micro_rows][micro_columns];
};

}  // namespace cugad::cuda
