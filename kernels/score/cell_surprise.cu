#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/score/cell_surprise.hpp"

/// One thread per row, models on grid.z: a row's cells are read once, and little is computed.
namespace cugad::cuda {
namespace {

constexpr unsigned block_threads = 128;

__global__ void cell_surprise_kernel(CellSurprise args) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row >= args.x.rows) return;
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    write_cell_surprise(args, model, row, 0, args.source.rows);
  }
}

void run_cell_surprise(Context& context, const CellSurprise& args) {
  if (args.x.models == 0 || args.x.rows == 0) return;
  device::launch(context.stream(), "cell_surprise",
                 {.grid = dim3(device::blocks_for(args.x.rows, block_threads), 1, device::model_blocks(args.x.models)),
                  .block = dim3(block_threads)},
                 cell_surprise_kernel, args);
}

}  // namespace

OpEntry<CellSurprise> cell_surprise_entry() {
  return {run_cell_surprise, [](const Context&, const CellSurprise&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
