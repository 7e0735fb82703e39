#pragma once

#include "cugad/device.hpp"
#include "kernels/dense/tile_product.cuh"
#include "kernels/device/matrix_multiply.cuh"

/// Products on tensor cores: operands are float32 in shared memory and rounded to tf32 or bfloat16 on the way into
/// registers; sums are float32. A warp owns warp_rows x warp_columns of the tile. The instructions that add to an
/// element are the same ones in the same order wherever it stands in whatever tile.
namespace cugad::cuda {

template <Precision precision, int tile_rows, int tile_columns, int warp_rows, int warp_columns>
class TensorTile {
 public:
  static constexpr int rows = tile_rows, columns = tile_columns, depth = 16;
  static constexpr int warps_across = tile_columns / warp_columns;
  static constexpr int threads = tile_rows / warp_rows * warps_across * device::warp_lanes;
  /// Blocks that a multiprocessor must be able to hold: bounds the registers of a thread.
  static constexpr int resident_blocks = 512 / threads;
  static constexpr bool is_bf16 = precision == Precision::bf16;
  /// The 8 x 4 elements (tf32) or pairs (bf16) of a fragment register lie in different banks.
  static constexpr int contiguous_padding = is_bf16 ? 8 : 4, strided_padding = is_bf16 ? 4 : 8;
  static constexpr int left_interleave = 1, right_interleave = 1;
  static_assert(precision != Precision::fp32 && warp_rows % 16 == 0 && warp_columns % 8 == 0);

  /// Sums start at start[column], or at 0 where start is null or column >= count.
  __device__ void begin(const float* start, int count) {
#pragma unroll
    for (int n = 0; n < blocks_across; ++n) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int column = first_column() + 8 * n + device::fragment_c(lane(), r).column;
        const float value = start != nullptr && column < count ? start[column] : 0.0f;
#pragma unroll
        for (int m = 0; m < blocks_down; ++m) sums_[m][n][r] = value;
      }
    }
  }

  /// Adds a panel; terms beyond its depth are 0 on both sides.
  template <Order left, Order right>
  __device__ void multiply(const float* a, const float* b, int) {
#pragma unroll
    for (int k = 0; k < depth; k += step) {
      std::uint32_t w[blocks_across][2];
#pragma unroll
      for (int n = 0; n < blocks_across; ++n) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const device::Element at = is_bf16 ? device::fragment_b16(lane(), r, 0) : device::fragment_b8(lane(), r);
          w[n][r] =
              rounded<right, RightPanel<TensorTile, right>::stride>(b, first_column() + 8 * n + at.column, k + at.row);
        }
      }
#pragma unroll
      for (int m = 0; m < blocks_down; ++m) {
        std::uint32_t x[4];
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          const device::Element at = is_bf16 ? device::fragment_a16(lane(), r, 0) : device::fragment_a8(lane(), r);
          x[r] = rounded<left, LeftPanel<TensorTile, left>::stride>(a, first_row() + 16 * m + at.row, k + at.column);
        }
#pragma unroll
        for (int n = 0; n < blocks_across; ++n) {
          if constexpr (is_bf16) {
            device::multiply_bf16(sums_[m][n], x, w[n]);
          } else {
            device::multiply_tf32(sums_[m][n], x, w[n]);
          }
        }
      }
    }
  }

  __device__ void store(float* shared) const {
#pragma unroll
    for (int m = 0; m < blocks_down; ++m) {
#pragma unroll
      for (int n = 0; n < blocks_across; ++n) {
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          const device::Element at = device::fragment_c(lane(), r);
          shared[(first_row() + 16 * m + at.row) * sums_stride<TensorTile> + first_column() + 8 * n + at.column] =
              sums_[m][n][r];
        }
      }
    }
  }

 private:
  static constexpr int step = is_bf16 ? 16 : 8;  ///< k per instruction
  static constexpr int blocks_down = warp_rows / 16, blocks_across = warp_columns / 8;
  static __device__ int lane() { return static_cast<int>(threadIdx.x) % device::warp_lanes; }
  static __device__ int warp() { return static_cast<int>(threadIdx.x) / device::warp_lanes; }
  static __device__ int first_row() { return warp() / warps_across * warp_rows; }
  static __device__ int first_column() { return warp() % warps_across * warp_columns; }

  /// The fragment register that holds element (index, k), and in bf16 k + 1 beside it.
  template <Order order, int stride>
  static __device__ std::uint32_t rounded(const float* panel, int index, int k) {
    constexpr int of_index = order == Order::k_contiguous ? stride : 1,
                  of_k = order == Order::k_contiguous ? 1 : stride;
    const float* const at = panel + index * of_index + k * of_k;
    if constexpr (!is_bf16) {
      return device::round_tf32(*at);
    } else if constexpr (order == Order::k_contiguous) {
      const float2 pair = *reinterpret_cast<const float2*>(at);
      return device::pack_bf16(pair.x, pair.y);
    } else {
      return device::pack_bf16(at[0], at[of_k]);
    }
  }

  float sums_[blocks_down][blocks_across][4];
};

}  // namespace cugad::cuda
