#pragma once

#include "cugad/ops.hpp"
#include "kernels/dense/forward_ending.cuh"
#include "kernels/dense/weight_gradient.cuh"

/// Launches that do the work of several ops (joined_ops.hpp).
namespace cugad::cuda {

/// Rows of a block of a chain.
constexpr int chain_rows = 8;

enum class RowKind : std::int32_t { forward, backward, cross_entropy, constant, normal, gather };

/// A stack of rows of float32.
struct Rows {
  float* data = nullptr;
  std::int64_t model_stride = 0, row_stride = 0;
  __device__ float* row(std::int64_t model, std::int64_t r) const {
    return data + model * model_stride + r * row_stride;
  }
};

/// An op whose row depends on only the same row of earlier results of the chain. Its row r is row first + r of the
/// chain.
struct RowOp {
  RowKind kind = RowKind::constant;
  std::int32_t first = 0, rows = 0;
  std::int32_t in = 0, out = 0;  ///< gather: rows of the source in `in`
  Rows input;                    ///< x; backward: y; cross_entropy: the logit; gather: the source
  Rows output;                   ///< y; backward: dy
  Rows other;                    ///< forward: derivative_of; backward: dx; gather: the index
  Rows weight;
  Rows bias;
  ForwardEnding ending = {};  ///< of forward; of backward activation and dropout's rate; of normal dropout's key
  float value = 0.0f;         ///< constant; cross_entropy: the factor of the slope; normal: the mean
  float target = 0.0f;        ///< cross_entropy; normal: the deviation
  bool input_vectors = false, output_vectors = false, weight_vectors = false;
};

/// One launch of a block per chain_rows rows and model, which runs the ops in turn.
struct RowChain {
  static constexpr int most_ops = 16;
  std::int32_t ops = 0;
  RowOp op[most_ops];
};

/// One launch of all weight gradients: ops without dx, whose dy is dH already.
struct WeightBatch {
  static constexpr int most_layers = 8;
  std::int32_t layers = 0;
  unsigned first_block[most_layers];
  ProductArguments layer[most_layers];
};

static_assert(sizeof(RowChain) <= 4096 && sizeof(WeightBatch) <= 4096, "more than a kernel's parameters may hold");

void launch_row_chain(Context& context, const RowChain& chain, std::int64_t models);
void launch_weight_batch(Context& context, WeightBatch& batch, std::int64_t models);

}  // namespace cugad::cuda
