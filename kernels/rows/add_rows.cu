#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/elementary.hpp"

/// A group of neighbouring lanes per row, as wide as the row needs. Limit: memory, 12 bytes per element.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) add_rows_kernel(AddRows args) {
  const std::int64_t r = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (r >= args.y.rows) return;
  for (std::int64_t model = blockIdx.z; model < args.y.models; model += gridDim.z) {
    const float* x = args.x.model(model).row(r);
    float* y = args.y.model(model).row(r);
#pragma unroll 4
    for (std::int64_t c = threadIdx.x; c < args.y.columns; c += blockDim.x) y[c] = multiply_add(args.scale, x[c], y[c]);
  }
}

void run_add_rows(Context& context, const AddRows& args) {
  if (args.y.rows == 0 || args.y.columns == 0 || args.y.models == 0) return;
  unsigned lanes = 1;
  while (lanes < device::warp_lanes && lanes < args.y.columns) lanes *= 2;
  device::LaunchShape shape;
  shape.block = dim3(lanes, threads / lanes);
  shape.grid = dim3(device::blocks_for(args.y.rows, shape.block.y), 1, device::model_blocks(args.y.models));
  device::launch(context.stream(), "add_rows", shape, add_rows_kernel, args);
}

}  // namespace

OpEntry<AddRows> add_rows_entry() {
  return {run_add_rows, [](const Context&, const AddRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
