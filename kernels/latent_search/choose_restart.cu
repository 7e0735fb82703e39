#include "kernels/device/runtime.cuh"
#include "kernels/latent_search/search_general.hpp"

/// One warp per query: all lanes read the losses of its restarts in order, then copy the winner's z.
namespace cugad::cuda {
namespace {

constexpr int block_threads = 256;
constexpr int block_queries = block_threads / device::warp_lanes;
constexpr std::int64_t most_blocks_z = 65535;

struct ChooseArguments {
  LatentSearch search;
  const float* row_losses;
  float* chosen_z;
};

__device__ float* row_of(const StackView<float>& view, std::int64_t model, std::int64_t row) {
  return view.data + model * view.model_stride + row * view.row_stride;
}

__device__ void choose(const ChooseArguments& args, std::int64_t model, std::int64_t query) {
  const LatentSearch& search = args.search;
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  const float* losses = args.row_losses + (model * search.z.rows + query * search.restarts) * 3;
  int best = 0;
  for (int i = 1; i < search.restarts; ++i) {
    if (losses[3 * i] < losses[3 * best]) best = i;
  }
  if (lane == 0) {
    if (search.loss) *row_of(search.loss, model, query) = losses[3 * best];
    if (search.residual) *row_of(search.residual, model, query) = losses[3 * best + 1];
    if (search.discrimination) *row_of(search.discrimination, model, query) = losses[3 * best + 2];
  }
  const float* z = row_of(search.z, model, query * search.restarts + best);
  const std::int64_t latent = search.z.columns;
#pragma unroll 1
  for (std::int64_t c = lane; c < latent; c += device::warp_lanes) {
    if (search.best_z) row_of(search.best_z, model, query)[c] = z[c];
    if (args.chosen_z != nullptr) args.chosen_z[(model * search.x.rows + query) * latent + c] = z[c];
  }
}

__global__ void __launch_bounds__(block_threads) choose_restart_kernel(const __grid_constant__ ChooseArguments args) {
  const std::int64_t query = static_cast<std::int64_t>(blockIdx.x) * block_queries + threadIdx.x / device::warp_lanes;
  if (query >= args.search.x.rows) return;
  for (std::int64_t model = blockIdx.z; model < args.search.z.models; model += gridDim.z) choose(args, model, query);
}

}  // namespace

void choose_restart(void* stream, const LatentSearch& args, const float* row_losses, float* chosen_z) {
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(args.x.rows, block_queries), 1,
                    static_cast<unsigned>(std::min(args.z.models, most_blocks_z)));
  shape.block = dim3(block_threads);
  device::launch(stream, "choose_restart", shape, choose_restart_kernel, ChooseArguments{args, row_losses, chosen_z});
}

}  // namespace cugad::cuda
