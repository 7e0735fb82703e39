#pragma once

#include "cugad/ops.hpp"
#include "kernels/device/runtime.cuh"

/// What the kernels of dense_backward share (dense_backward.cu, backward_passes.cu).
namespace cugad::cuda {

/// Rows that one chain of the weight gradient adds; more rows make several chains, whose sums are added in ascending
/// order. A function of the row count alone, so that results are the same on every chip; at most `most_chunks` chains
/// bound the memory for their sums.
constexpr std::int64_t rows_per_chain = 1024, most_chunks = 64;
constexpr std::int64_t chunk_rows(std::int64_t rows) {
  const std::int64_t share = (rows + most_chunks - 1) / most_chunks;
  const std::int64_t whole_panels = (share + 15) / 16 * 16;
  return whole_panels > rows_per_chain ? whole_panels : rows_per_chain;
}
constexpr std::int64_t chunk_count(std::int64_t rows) {
  return rows <= rows_per_chain ? 1 : (rows + chunk_rows(rows) - 1) / chunk_rows(rows);
}

/// The sums of the chunks of one group of models: [model][chunk][out][in + 1], the bias gradient in the last column.
struct ChunkSums {
  float* data;
  std::int64_t chunks, out, columns;
  __device__ float* row(std::int64_t model, std::int64_t chunk, std::int64_t o) const {
    return data + ((model * chunks + chunk) * out + o) * columns;
  }
};

/// scale * sum into an element of a gradient.
__device__ inline void keep_gradient(const DenseBackward& op, float* gradient, float sum) {
  const float scaled = sum * op.scale;
  *gradient = op.accumulate ? *gradient + scaled : scaled;
}

/// dH = dY * act'(y) for models [first_model, first_model + models).
void launch_activation_backward(Context& context, const DenseBackward& op, std::int64_t first_model,
                                std::int64_t models);
/// dW and db of those models from their chunks.
void launch_add_chunks(Context& context, const DenseBackward& op, const ChunkSums& sums, std::int64_t first_model,
                       std::int64_t models);

}  // namespace cugad::cuda
