#include "kernels/device/entries.hpp"
#include "kernels/device/philox.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/random/uniform.hpp"

/// A group of neighbouring lanes per row, as wide as the row needs; every lane draws the row's word again: cheaper than
/// a shuffle.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) interpolate_rows_kernel(InterpolateRows args) {
  const std::int64_t r = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (r >= args.out.rows) return;
  for (std::int64_t model = blockIdx.z; model < args.out.models; model += gridDim.z) {
    const uint4 words = device::random_block(args.key, model, static_cast<std::uint64_t>(r / 4));
    const float u = unit_uniform(device::word_of(words, static_cast<int>(r % 4)));
    const float *a = args.a.model(model).row(r), *b = args.b.model(model).row(r);
    float* out = args.out.model(model).row(r);
#pragma unroll 4
    for (std::int64_t c = threadIdx.x; c < args.out.columns; c += blockDim.x) {
      out[c] = multiply_add(u, a[c] - b[c], b[c]);
    }
  }
}

void run_interpolate_rows(Context& context, const InterpolateRows& args) {
  if (args.out.rows == 0 || args.out.columns == 0 || args.out.models == 0) return;
  unsigned lanes = 1;
  while (lanes < device::warp_lanes && lanes < args.out.columns) lanes *= 2;
  device::LaunchShape shape;
  shape.block = dim3(lanes, threads / lanes);
  shape.grid = dim3(device::blocks_for(args.out.rows, shape.block.y), 1, device::model_blocks(args.out.models));
  device::launch(context.stream(), "interpolate_rows", shape, interpolate_rows_kernel, args);
}

}  // namespace

OpEntry<InterpolateRows> interpolate_rows_entry() {
  return {run_interpolate_rows, [](const Context&, const InterpolateRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
