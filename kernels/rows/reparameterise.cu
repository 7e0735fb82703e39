#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/rows/gaussian.hpp"

/// A group of neighbouring lanes per row, as wide as the row needs; the draw and the backward pass share a loop.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) reparameterise_kernel(Reparameterise args) {
  const std::int64_t r = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y, k = args.noise.columns;
  if (r >= args.noise.rows) return;
  for (std::int64_t model = blockIdx.z; model < args.noise.models; model += gridDim.z) {
    const float *statistics = args.statistics.model(model).row(r), *noise = args.noise.model(model).row(r);
    for (std::int64_t c = threadIdx.x; c < k; c += blockDim.x) {
      const float log_variance = statistics[k + c];
      if (args.z) {
        args.z.model(model).row(r)[c] = multiply_add(gaussian_deviation(log_variance), noise[c], statistics[c]);
      }
      if (args.dz) {
        const float dz = args.dz.model(model).row(r)[c];
        float* gradient = args.dstatistics.model(model).row(r);
        gradient[c] = dz;
        gradient[k + c] = dz * gaussian_slope(log_variance, noise[c]);
      }
    }
  }
}

void run_reparameterise(Context& context, const Reparameterise& args) {
  if (args.noise.rows == 0 || args.noise.columns == 0 || args.noise.models == 0) return;
  unsigned lanes = 1;
  while (lanes < device::warp_lanes && lanes < args.noise.columns) lanes *= 2;
  device::LaunchShape shape;
  shape.block = dim3(lanes, threads / lanes);
  shape.grid = dim3(device::blocks_for(args.noise.rows, shape.block.y), 1, device::model_blocks(args.noise.models));
  device::launch(context.stream(), "reparameterise", shape, reparameterise_kernel, args);
}

}  // namespace

OpEntry<Reparameterise> reparameterise_entry() {
  return {run_reparameterise, [](const Context&, const Reparameterise&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
