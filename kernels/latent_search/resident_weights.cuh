#pragma once

#include "kernels/device/shared_memory.cuh"
#include "kernels/device/warpgroup_multiply.cuh"
#include "kernels/latent_search/resident_element.cuh"

/// Weight matrices in shared memory, and products of register activations with them.
namespace cugad::cuda {

/// A weight matrix [out, in] in shared memory, as device::PanelLayout: panels of 64 columns without padding, the chunks
/// of 8 elements of a row permuted by an exclusive or with the row's number, so that the same chunk of 8 consecutive
/// rows, which ldmatrix reads at a time, touches every bank once.
template <int out_, int in_>
struct ResidentMatrix {
  static constexpr int out = out_, in = in_, elements = out_ * in_;
  static_assert(out % 16 == 0 && (in == 16 || in == 32 || in % 64 == 0));
  static constexpr device::PanelLayout layout() { return {out, in}; }
  static constexpr int panel = layout().panel();

  /// The lane's part of the address of a [16, 16] block for ldmatrix: the matrices are numbered so that registers 0, 1
  /// are the fragment of the first 8 output columns of the product, 2 and 3 that of the second 8.
  /// Y = X W^T reads rows as output columns; X = Y W (backward) reads the transposed matrices.
  static constexpr int forward_lane(int lane) { return layout().offset(lane / 16 * 8 + lane % 8, lane / 8 % 2 * 8); }
  static constexpr int backward_lane(int lane) { return layout().offset(lane / 8 % 2 * 8 + lane % 8, lane / 16 * 8); }
  /// Of the block at (row, column), both multiples of 16.
  static constexpr int block(int lane_offset, int row, int column) {
    return column / panel * out * panel + row * panel + (lane_offset ^ column % panel);
  }
};

/// sum[rows, one round of columns] += all of `a` times the round's columns of W^T (forward: W's rows from `at`) or of W
/// (backward: W's columns from `at`).
template <class Element, class Matrix, bool backward, int tiles, int blocks>
__device__ __forceinline__ void reduce_round(float (&sum)[tiles][4], const typename Element::Pair (&a)[blocks][4],
                                             const typename Element::Word* weight, int lane_offset, int at) {
  if constexpr (Element::warpgroup) {
    Element::begin();
#pragma unroll
    for (int k = 0; k < blocks; ++k) {
      Element::template multiply_group<Matrix, backward>(sum, a[k], weight, backward ? 16 * k : at,
                                                         backward ? at : 16 * k);
    }
    Element::finish();
  } else {
    static_assert(tiles == 2);
    float odd[2][4] = {};
#pragma unroll
    for (int k = 0; k < blocks; ++k) {
      typename Element::Pair b[4];
      if constexpr (backward) {
        Element::load_transposed(b, weight + Matrix::block(lane_offset, 16 * k, at));
      } else {
        Element::load(b, weight + Matrix::block(lane_offset, at, 16 * k));
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
}

/// sum[rows, columns] += the round of columns `a`, at position `at`, times their part of W^T or of W; of the blocks of
/// 16 columns `first`, first + step, ...
template <class Element, class Matrix, bool backward, int tiles, int blocks>
__device__ __forceinline__ void spread_round(float (&sum)[tiles][4], const typename Element::Pair (&a)[blocks][4],
                                             const typename Element::Word* weight, int lane_offset, int at,
                                             int first = 0, int step = 1) {
  if constexpr (Element::warpgroup) {
    Element::begin();
#pragma unroll
    for (int k = 0; k < blocks; ++k) {
      Element::template multiply_group<Matrix, backward>(sum, a[k], weight, backward ? at + 16 * k : 0,
                                                         backward ? 0 : at + 16 * k);
    }
    Element::finish();
  } else {
    static_assert(blocks == 1);
#pragma unroll
    for (int n = 0; n < tiles / 2; ++n) {
      typename Element::Pair b[4];
      if constexpr (backward) {
        Element::load_transposed(b, weight + Matrix::block(lane_offset, at, 16 * (first + step * n)));
      } else {
        Element::load(b, weight + Matrix::block(lane_offset, 16 * (first + step * n), at));
      }
      Element::multiply(sum[2 * n], a[0], {b[0], b[1]});
      Element::multiply(sum[2 * n + 1], a[0], {b[2], b[3]});
    }
  }
}

}  // namespace cugad::cuda
