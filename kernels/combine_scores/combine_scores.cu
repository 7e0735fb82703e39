#include "kernels/combine_scores/combine.hpp"
#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"

/// One thread per row walks the models in ascending order.
namespace cugad::cuda {
namespace {

constexpr unsigned block_threads = 128;

__global__ void combine_scores_kernel(CombineScores args) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row < args.score.rows) *args.score.model(0).row(row) = combined_score(args, row);
}

void run_combine_scores(Context& context, const CombineScores& args) {
  if (args.score.rows == 0) return;
  device::launch(context.stream(), "combine_scores",
                 {.grid = dim3(device::blocks_for(args.score.rows, block_threads)), .block = dim3(block_threads)},
                 combine_scores_kernel, args);
}

}  // namespace

OpEntry<CombineScores> combine_scores_entry() {
  return {run_combine_scores, [](const Context&, const CombineScores&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
