#pragma once

#include <algorithm>

#include "kernels/dense/dense_backward.cuh"
#include "kernels/dense/tile_product.cuh"

/// A tile of a weight gradient, and with it the bias gradient (dense_backward.cu, joined_weights.cu).
namespace cugad::cuda {

struct ProductArguments {
  DenseBackward op;
  std::int64_t first_model;
  unsigned input_blocks, input_across;    ///< blocks of dX, all and per row of tiles
  unsigned weight_blocks, weight_across;  ///< blocks of one chunk of dW, likewise
  std::int64_t chunk_rows;
  ChunkSums sums;  ///< data null: a single chunk, results go to the gradients at once
  bool dy_vectors, weight_vectors, x_vectors, dx_vectors;
};

/// One chain of the bias gradient per thread, over the panels of dH that pass by: k is the row, the index the unit.
struct ColumnSums {
  bool wanted;
  float sum = 0.0f;
  __device__ void operator()(const float* panel, std::int64_t stride, int depth) {
    if (!wanted) return;
    for (int k = 0; k < depth; ++k) sum += panel[k * stride + threadIdx.x];
  }
};

/// dW = dH^T X and db: k runs over the rows of the chunk.
template <class Tile>
__device__ inline void weight_gradient(const ProductArguments& p, std::int64_t model, unsigned block, float* shared) {
  const std::int64_t chunk = block / p.weight_blocks;
  const unsigned place = block % p.weight_blocks;
  const std::int64_t o = std::int64_t{place / p.weight_across} * Tile::rows;
  const std::int64_t column = std::int64_t{place % p.weight_across} * Tile::columns;
  const std::int64_t first_row = chunk * p.chunk_rows;
  const MatrixView<float> dh = p.op.dy.model(model), dweight = p.op.dweight.model(model);
  // With db alone wanted there is no x: a product of no columns, whose operand is never read.
  const MatrixView<const float> x = p.op.dweight ? p.op.x.model(model) : MatrixView<const float>(dh);
  const int rows = existing(dh.columns - o, Tile::rows);
  const int columns = p.op.dweight ? existing(dweight.columns - column, Tile::columns) : 0;
  Tile tile;
  static_assert(Tile::threads >= Tile::rows);
  ColumnSums bias{p.op.dbias && column == 0 && static_cast<int>(threadIdx.x) < rows};
  tile.begin(nullptr, 0);
  multiply<Order::k_strided, Order::k_strided>(tile, {dh.row(first_row) + o, dh.row_stride, rows, p.dy_vectors},
                                               {x.row(first_row) + column, x.row_stride, columns, p.x_vectors},
                                               static_cast<int>(std::min(p.chunk_rows, dh.rows - first_row)), shared,
                                               bias);
  publish(tile, shared);
  hand_out<1, Tile>(shared, rows, columns, [&](int r, int c, int, const float* sums) {
    if (p.sums.data != nullptr) {
      p.sums.row(blockIdx.z, chunk, o + r)[column + c] = *sums;
    } else {
      keep_gradient(p.op, dweight.row(o + r) + column + c, *sums);
    }
  });
  if (!bias.wanted) return;
  if (p.sums.data != nullptr) {
    p.sums.row(blockIdx.z, chunk, o + threadIdx.x)[p.sums.columns - 1] = bias.sum;
  } else {
    keep_gradient(p.op, p.op.dbias.model(model).data + o + threadIdx.x, bias.sum);
  }
}

}  // namespace cugad::cuda
