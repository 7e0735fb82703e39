#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"

/// One thread per cell, models on grid.z.
namespace cugad::cuda {
namespace {

constexpr unsigned block_threads = 256;

__global__ void __launch_bounds__(block_threads) fill_missing_kernel(FillMissing args) {
  const std::int64_t i = std::int64_t{blockIdx.x} * block_threads + threadIdx.x;
  if (i >= args.out.rows * args.out.columns) return;
  const std::int64_t r = i / args.out.columns, c = i % args.out.columns;
  for (std::int64_t model = blockIdx.z; model < args.out.models; model += gridDim.z) {
    const float x = args.x.model(model).row(r)[c];
    args.out.model(model).row(r)[c] = x == x ? x : args.replacement.model(model).row(r)[c];
  }
}

void run_fill_missing(Context& context, const FillMissing& args) {
  if (args.out.models == 0 || args.out.rows == 0 || args.out.columns == 0) return;
  const unsigned blocks = device::blocks_for(args.out.rows * args.out.columns, block_threads);
  device::launch(context.stream(), "fill_missing",
                 {.grid = dim3(blocks, 1, device::model_blocks(args.out.models)), .block = dim3(block_threads)},
                 fill_missing_kernel, args);
}

}  // namespace

OpEntry<FillMissing> fill_missing_entry() {
  return {run_fill_missing, [](const Context&, const FillMissing&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
