#pragma once

#include "kernels/device/shared_memory.cuh"
#include "kernels/latent_search/resident_element.cuh"

/// Weight matrices in shared memory, and products of register activations with them.
namespace cugad::cuda {

constexpr int block_columns = 16;  ///< columns of an activation that are produced and consumed at a time

/// Where element (row, column) of a matrix with rows of `in` elements stands (a power of two, at least 16): no padding,
/// but the chunks of 8 elements of a row are permuted by an exclusive or with the row's number, so that the same chunk
/// of 8 consecutive rows, which ldmatrix reads at a time, touches every bank once.
constexpr int resident_offset(int in, int row, int column) {
  const int period = in < 64 ? in : 64;  // elements permuted among each other
  const int swizzle = row / (64 / period) % (period / 8) * 8;
  return row * in + (column ^ swizzle);
}

/// A weight matrix [out, in].
template <int out_, int in_>
struct ResidentMatrix {
  static constexpr int out = out_, in = in_, elements = out_ * in_;
  static_assert(out % block_columns == 0 && in % block_columns == 0 && (in & (in - 1)) == 0);
  static constexpr int period = in < 64 ? in : 64;  ///< elements whose chunks are permuted among each other

  static constexpr int offset(int row, int column) { return resident_offset(in, row, column); }
  /// The lane's part of the address of a [16, 16] block for ldmatrix: the matrices are numbered so that registers 0, 1
  /// are the fragment of the first 8 output columns of the product, 2 and 3 that of the second 8.
  /// Y = X W^T reads rows as output columns; X = Y W (backward) reads the transposed matrices.
  static constexpr int forward_lane(int lane) { return offset(lane / 16 * 8 + lane % 8, lane / 8 % 2 * 8); }
  static constexpr int backward_lane(int lane) { return offset(lane / 8 % 2 * 8 + lane % 8, lane / 16 * 8); }
  /// Of the block at (row, column), both multiples of 16.
  static constexpr int block(int lane_offset, int row, int column) {
    return row * in + (lane_offset ^ column % period) + column / period * period;
  }
};

/// sum[16 rows, 16 columns] += all of `a` times the block columns of W^T (forward: W's rows from `at`) or of W
/// (backward: W's columns from `at`).
template <class Element, class Matrix, bool backward, int blocks>
__device__ __forceinline__ void reduce_block(float (&sum)[2][4], const typename Element::Pair (&a)[blocks][4],
                                             const typename Element::Word* weight, int lane_offset, int at) {
  float odd[2][4] = {};
#pragma unroll
  for (int k = 0; k < blocks; ++k) {
    typename Element::Pair b[4];
    if constexpr (backward) {
      Element::load_transposed(b, weight + Matrix::block(lane_offset, block_columns * k, at));
    } else {
      Element::load(b, weight + Matrix::block(lane_offset, at, block_columns * k));
    }
    float(&to)[2][4] = Element::two_chains && k % 2 == 1 ? odd : sum;
    Element::multiply(to[0], a[k], {b[0], b[1]});
    Element::multiply(to[1], a[k], {b[2], b[3]});
  }
  if constexpr (Element::two_chains) {
#pragma unroll
    for (int i = 0; i < 8; ++i) sum[i / 4][i % 4] += odd[i / 4][i % 4];
  }
}

/// sum[16 rows, all columns] += the 16 columns `a`, which stand at `at`, times their part of W^T or of W.
template <class Element, class Matrix, bool backward, int tiles>
__device__ __forceinline__ void spread_block(float (&sum)[tiles][4], const typename Element::Pair (&a)[4],
                                             const typename Element::Word* weight, int lane_offset, int at) {
#pragma unroll
  for (int n = 0; n < tiles / 2; ++n) {
    typename Element::Pair b[4];
    if constexpr (backward) {
      Element::load_transposed(b, weight + Matrix::block(lane_offset, at, block_columns * n));
    } else {
      Element::load(b, weight + Matrix::block(lane_offset, block_columns * n, at));
    }
    Element::multiply(sum[2 * n], a, {b[0], b[1]});
    Element::multiply(sum[2 * n + 1], a, {b[2], b[3]});
  }
}

}  // namespace cugad::cuda
