#pragma once

#include <algorithm>

#include "kernels/dense/tile_product.cuh"
#include "kernels/elementary.hpp"

/// Exact float32 products: every element is one chain of fused multiply-adds over k = 0, 1, ... from its start, as on
/// the CPU. A thread owns groups of up to four consecutive rows and of up to four consecutive columns; groups of
/// neighbouring threads are neighbours.
namespace cugad::cuda {

template <int tile_rows, int tile_columns, int micro_rows, int micro_columns, int panel_depth = 16>
class SimtTile {
 public:
  using Element = float;
  static constexpr int rows = tile_rows, columns = tile_columns, depth = panel_depth, stages = 3;
  static constexpr int threads_across = tile_columns / micro_columns, threads_down = tile_rows / micro_rows;
  static constexpr int threads = threads_down * threads_across;
  /// Blocks that a multiprocessor must be able to hold: bounds the registers of a thread.
  static constexpr int resident_blocks = 384 / threads;
  /// Strides of 20 floats: eight neighbouring rows, 16 bytes of each, lie in different banks.
  static constexpr int contiguous_padding = 4, strided_padding = 4;
  /// Consecutive rows and columns of a thread. In panels with k contiguous, neighbouring threads read rows at this
  /// distance, which are neighbouring rows of the panel.
  static constexpr int row_group = std::min(micro_rows, 4), column_group = std::min(micro_columns, 4);
  static constexpr int left_interleave = row_group, right_interleave = column_group;
  static_assert(micro_rows % row_group == 0 && micro_columns % column_group == 0);

  /// Sums start at start[column], or at 0 if start is null or column >= count.
  __device__ void begin(const float* start, int count) {
#pragma unroll
    for (int j = 0; j < micro_columns; ++j) {
      const float value = start != nullptr && column(j) < count ? start[column(j)] : 0.0f;
#pragma unroll
      for (int i = 0; i < micro_rows; ++i) sums_[i][j] = value;
    }
  }

  /// Adds the first `terms` terms of a panel; those beyond must not count, not even as 0 (which would lose a -0).
  template <Order left, Order right>
  __device__ void multiply(const float* a, const float* b, int terms) {
    using Left = Side<LeftPanel<SimtTile, left>, left, rows, micro_rows>;
    using Right = Side<RightPanel<SimtTile, right>, right, columns, micro_columns>;
    const float *x = a + Left::first(down_), *w = b + Right::first(across_);
#pragma unroll quads_at_once
    for (int quads = terms / 4; quads > 0; --quads, x += Left::step, w += Right::step)
      multiply_four<Left, Right, false>(x, w, 4);
    if (terms % 4 > 0) multiply_four<Left, Right, true>(x, w, terms % 4);
  }

  __device__ void store(float* shared) const {
#pragma unroll
    for (int i = 0; i < micro_rows; ++i) {
#pragma unroll
      for (int j = 0; j < micro_columns; j += column_group) {
        float group[column_group];
#pragma unroll
        for (int c = 0; c < column_group; ++c) group[c] = sums_[i][j + c];
        store_values(shared + row(i) * sums_stride<SimtTile> + column(j), group, column_group);
      }
    }
  }

 private:
  static constexpr int quads_at_once = micro_rows * micro_columns > 16 ? 1 : 4;

  __device__ int row(int i) const { return row_group * (down_ + i / row_group * threads_down) + i % row_group; }
  __device__ int column(int j) const {
    return column_group * (across_ + j / column_group * threads_across) + j % column_group;
  }

  /// `count` consecutive floats, aligned to their size.
  template <int count>
  static __device__ void load_values(float (&values)[count], const float* from) {
    static_assert(count == 1 || count == 2 || count == 4);
    if constexpr (count == 4) {
      const float4 four = *reinterpret_cast<const float4*>(from);
      values[0] = four.x;
      values[1] = four.y;
      values[2] = four.z;
      values[3] = four.w;
    } else if constexpr (count == 2) {
      const float2 two = *reinterpret_cast<const float2*>(from);
      values[0] = two.x;
      values[1] = two.y;
    } else {
      values[0] = *from;
    }
  }

  /// A thread's share of a panel: `count` of its `extent` indices.
  template <class Panel, Order order, int extent, int count>
  struct Side {
    static constexpr int indices = count, group = std::min(count, 4), apart = extent / count;
    /// From one quad of k to the next.
    static constexpr int step = order == Order::k_contiguous ? 4 : 4 * Panel::stride;
    /// Where thread `at` of a row or column of threads begins, in a panel that TileLoad has interleaved.
    static __device__ int first(int at) { return order == Order::k_contiguous ? at * Panel::stride : at * group; }

    /// Four terms of each index.
    static __device__ void load(float (&values)[count][4], const float* from) {
      if constexpr (order == Order::k_contiguous) {
#pragma unroll
        for (int i = 0; i < count; ++i)
          load_values(values[i], from + (i % group * (extent / group) + i / group * apart) * Panel::stride);
      } else {
#pragma unroll
        for (int t = 0; t < 4; ++t) {
#pragma unroll
          for (int i = 0; i < count; i += group) {
            float some[group];
            load_values(some, from + t * Panel::stride + i * apart);
#pragma unroll
            for (int g = 0; g < group; ++g) values[i + g][t] = some[g];
          }
        }
      }
    }
  };

  /// The next `terms` terms, of which there are four unless ragged.
  template <class Left, class Right, bool ragged>
  __device__ void multiply_four(const float* a, const float* b, int terms) {
    float x[micro_rows][4], w[micro_columns][4];
    Left::load(x, a);
    Right::load(w, b);
#pragma unroll
    for (int t = 0; t < 4; ++t) {
      if (ragged && t >= terms) break;
#pragma unroll
      for (int i = 0; i < micro_rows; ++i) {
#pragma unroll
        for (int j = 0; j < micro_columns; ++j) sums_[i][j] = multiply_add(x[i][t], w[j][t], sums_[i][j]);
      }
    }
  }

  const int across_ = device::kept_in_register(static_cast<int>(threadIdx.x % threads_across));
  const int down_ = device::kept_in_register(static_cast<int>(threadIdx.x / threads_across));
  float sums_[micro_rows][micro_columns];
};

}  // namespace cugad::cuda
