#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"

/// A group of neighbouring lanes per row, as wide as the row needs, so that reads and writes are coalesced for narrow
/// rows too. Indices outside the source are clamped.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) gather_rows_kernel(GatherRows args) {
  device::wait_for_earlier_work();
  const std::int64_t r = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (r >= args.out.rows) return;
  const std::int64_t last = args.source.rows - 1;
  for (std::int64_t model = blockIdx.z; model < args.out.models; model += gridDim.z) {
    const std::int64_t index = *args.index.model(model).row(r);
    const float* from = args.source.model(model).row(index < 0 ? 0 : index > last ? last : index);
    float* to = args.out.model(model).row(r);
#pragma unroll 4
    for (std::int64_t c = threadIdx.x; c < args.out.columns; c += blockDim.x) to[c] = from[c];
  }
}

void run_gather_rows(Context& context, const GatherRows& args) {
  if (args.out.rows == 0 || args.out.columns == 0 || args.out.models == 0 || args.source.rows == 0) return;
  unsigned lanes = 1;
  while (lanes < device::warp_lanes && lanes < args.out.columns) lanes *= 2;
  device::LaunchShape shape;
  shape.block = dim3(lanes, threads / lanes);
  shape.grid = dim3(device::blocks_for(args.out.rows, shape.block.y), 1, device::model_blocks(args.out.models));
  shape.waits = true;
  device::launch(context.stream(), "gather_rows", shape, gather_rows_kernel, args);
}

}  // namespace

OpEntry<GatherRows> gather_rows_entry() {
  return {run_gather_rows, [](const Context&, const GatherRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
