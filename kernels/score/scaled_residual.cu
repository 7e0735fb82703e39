#include <limits>

#include "kernels/device/runtime.cuh"
#include "kernels/elementary.hpp"
#include "kernels/score/scaled_residual.hpp"

/// Half a warp per row: lane l holds partial sum l, then first to last, which is the search's order and the CPU's.
namespace cugad::cuda {
namespace {

constexpr int partials = 16;
constexpr int block_threads = 256;
constexpr int block_rows = block_threads / partials;

struct ResidualArguments {
  StackView<const float> x, reconstruction, discrimination, column_scale;
  StackView<float> loss, residual;
  Distance distance;
  float limit, lambda;
};

/// What a cell adds to the residual before it is squared.
__device__ float term_of(const ResidualArguments& args, float x, float generated, const float* scale, float limit,
                         int column) {
  if (x != x) return 0.0f;
  float term = fabsf(generated - x);
  if (args.column_scale) term = term * scale[column];
  return term > limit ? limit : term;
}

__device__ float residual_of(const ResidualArguments& args, std::int64_t model, std::int64_t row) {
  const float* x = args.x.model(model).row(row);
  const float* generated = args.reconstruction.model(model).row(row);
  const float* scale = args.column_scale.model(model).data;  // null if columns have none
  const float limit = args.limit > 0.0f ? args.limit : std::numeric_limits<float>::infinity();
  float partial = 0.0f;
  for (int c = static_cast<int>(threadIdx.x) % partials; c < static_cast<int>(args.x.columns); c += partials) {
    const float term = term_of(args, x[c], generated[c], scale, limit, c);
    partial = args.distance == Distance::l1 ? partial + term : multiply_add(term, term, partial);
  }
  float sum = 0.0f;
#pragma unroll
  for (int l = 0; l < partials; ++l) sum += __shfl_sync(device::full_warp, partial, l, partials);
  return args.distance == Distance::l2 ? sqrtf(sum) : sum;
}

__global__ void __launch_bounds__(block_threads)
    scaled_residual_kernel(const __grid_constant__ ResidualArguments args) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * block_rows + threadIdx.x / partials;
  const bool there = row < args.x.rows;
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    const float residual = residual_of(args, model, there ? row : 0);  // lanes without a row take part in the shuffles
    if (!there || threadIdx.x % partials != 0) continue;
    if (args.residual) *args.residual.model(model).row(row) = residual;
    if (args.loss) {
      const float discrimination = *args.discrimination.model(model).row(row);
      *args.loss.model(model).row(row) = (1.0f - args.lambda) * residual + args.lambda * discrimination;
    }
  }
}

}  // namespace

void score_parts(Context& context, const ResidualParts& parts) {
  const ReconstructionScore& score = parts.args;
  ResidualArguments args;
  args.x = score.x;
  args.reconstruction = parts.reconstruction;
  args.discrimination = parts.discrimination;
  args.column_scale = score.column_scale;
  args.loss = score.loss;
  args.residual = score.residual;
  args.distance = score.residual_distance;
  args.limit = score.limit;
  args.lambda = score.lambda;
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(score.x.rows, block_rows), 1, device::model_blocks(score.x.models));
  shape.block = dim3(block_threads);
  device::launch(context.stream(), "scaled_residual", shape, scaled_residual_kernel, args);
}

}  // namespace cugad::cuda
