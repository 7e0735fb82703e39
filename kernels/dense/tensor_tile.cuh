#pragma once

#include <type_traits>

#include "cugad/device.hpp"
#include "kernels/dense/tile_product.cuh"
#include "kernels/device/matrix_multiply.cuh"

/// Products on tensor cores: panels are rounded to tf32 or bfloat16 on the way to shared memory (tensor_product.cuh);
/// sums are float32. A warp owns warp_rows x warp_columns of the tile. The instructions that add to an element are the
/// same in the same order at every position of every tile.
namespace cugad::cuda {

template <Precision precision, int tile_rows, int tile_columns, int warp_rows, int warp_columns>
class TensorTile {
 public:
  static constexpr bool is_bf16 = precision == Precision::bf16;
  /// What panels hold: the upper 16 bits of a float, or a float whose lower 13 bits are 0.
  using Element = std::conditional_t<is_bf16, std::uint16_t, std::uint32_t>;
  static constexpr int rows = tile_rows, columns = tile_columns, depth = 32, stages = 2;
  static constexpr int warps_across = tile_columns / warp_columns;
  static constexpr int threads = tile_rows / warp_rows * warps_across * device::warp_lanes;
  /// Blocks that a multiprocessor must be able to hold: bounds the registers of a thread.
  static constexpr int resident_blocks = (warp_rows * warp_columns > 1024 ? 256 : 512) / threads;
  /// Eight neighbouring rows, 16 bytes of each, lie in different banks; of tf32 with k strided, 8 x 4 elements.
  static constexpr int contiguous_padding = is_bf16 ? 8 : 4, strided_padding = 8;
  static constexpr int step = is_bf16 ? 16 : 8;  ///< k per instruction
  static_assert(precision != Precision::fp32 && warp_rows % 16 == 0 && warp_columns % 16 == 0);

  /// Sums start at start[column], or at 0 if start is null or column >= count.
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

  /// Adds the terms k to k + step of two panels; those that do not exist are 0 on both sides.
  template <Order left, Order right>
  __device__ void multiply(const Element* a, const Element* b, int k) {
    std::uint32_t x[blocks_down][4];
#pragma unroll
    for (int m = 0; m < blocks_down; ++m) fragments<left, true>(x[m], a, first_row() + 16 * m, k);
#pragma unroll
    for (int n = 0; n < blocks_across; n += 2) {
      std::uint32_t w[4];
      fragments<right, false>(w, b, first_column() + 8 * n, k);
      const std::uint32_t pair[2][2] = {{w[0], w[1]}, {w[2], w[3]}};
#pragma unroll
      for (int m = 0; m < blocks_down; ++m) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          if constexpr (is_bf16) {
            device::multiply_bf16(sums_[m][n + i], x[m], pair[i]);
          } else {
            device::multiply_tf32(sums_[m][n + i], x[m], pair[i]);
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
        for (int r = 0; r < 4; r += 2) {
          const device::Element at = device::fragment_c(lane(), r);
          const float pair[2] = {sums_[m][n][r], sums_[m][n][r + 1]};
          store_values(
              shared + (first_row() + 16 * m + at.row) * sums_stride<TensorTile> + first_column() + 8 * n + at.column,
              pair, 2);
        }
      }
    }
  }

  /// Calls found(row, bits) if sums of a thread are above limit[row], or if a sum or the limit is NaN: a bit for each,
  /// whose column is column_of.
  template <class Found>
  __device__ void above(const float* limit, const Found& found) const {
#pragma unroll
    for (int m = 0; m < blocks_down; ++m) {
#pragma unroll
      for (int half = 0; half < 4; half += 2) {
        const int row = first_row() + 16 * m + device::fragment_c(lane(), half).row;
        const float most = limit[row];
        bool any = false;  // rare: bits are computed after one test for all
#pragma unroll
        for (int i = 0; i < 2 * blocks_across; ++i) any |= !(sums_[m][i / 2][half + i % 2] <= most);
        if (!any) continue;
        unsigned bits = 0;
#pragma unroll
        for (int i = 0; i < 2 * blocks_across; ++i) bits |= (sums_[m][i / 2][half + i % 2] <= most ? 0u : 1u) << i;
        found(row, bits);
      }
    }
  }
  static __device__ int column_of(int bit) {
    return first_column() + bit / 2 * 8 + device::fragment_c(lane(), bit % 2).column;
  }

 private:
  static constexpr int blocks_down = warp_rows / 16, blocks_across = warp_columns / 8;
  static __device__ int lane() { return static_cast<int>(threadIdx.x % device::warp_lanes); }
  static __device__ int warp() { return static_cast<int>(threadIdx.x) / device::warp_lanes; }
  static __device__ int first_row() { return warp() / warps_across * warp_rows; }
  static __device__ int first_column() { return warp() % warps_across * warp_columns; }

  /// Of 16 indices and a step of k: the operand A of one instruction, or the operands B of two.
  template <Order order, bool is_left>
  static __device__ void fragments(std::uint32_t (&registers)[4], const Element* panel, int index, int k) {
    using Panel = std::conditional_t<is_left, LeftPanel<TensorTile, order>, RightPanel<TensorTile, order>>;
    // Four matrices of 8 indices and 16 bytes of k: of A the index changes first from one to the next, of B k does.
    const int matrix = lane() / 8, upper_index = is_left ? matrix % 2 : matrix / 2,
              upper_k = is_left ? matrix / 2 : matrix % 2;
    if constexpr (order == Order::k_contiguous) {
      device::load_matrices(registers,
                            panel + (index + lane() % 8 + 8 * upper_index) * Panel::stride + k + step / 2 * upper_k);
    } else if constexpr (is_bf16) {
      device::load_matrices_transposed(
          registers, panel + (k + lane() % 8 + 8 * upper_k) * Panel::stride + index + 8 * upper_index);
    } else {  // ldmatrix transposes 16-bit elements only
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const device::Element a = device::fragment_a8(lane(), r), b = device::fragment_b8(lane(), r % 2);
        const int of_k = is_left ? a.column : b.row, of_index = is_left ? a.row : b.column + 8 * (r / 2);
        registers[r] = panel[(k + of_k) * Panel::stride + index + of_index];
      }
    }
  }

  float sums_[blocks_down][blocks_across][4];
};

}  // namespace cugad::cuda
