#include "kernels/device/entries.hpp"
#include "kernels/device/philox.cuh"
#include "kernels/device/quad.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/random/normal.hpp"
#include "kernels/random/uniform.hpp"
#include "kernels/rows/fence.hpp"

/// A group of neighbouring lanes per row, one Philox block (four columns) per lane and turn. Every lane draws the row's
/// own word again: cheaper than a shuffle. The use of the words: fence_rows.cpp.
namespace cugad::cuda {
namespace {

constexpr int threads = 128;

/// Columns `first` to `first` + 3 of row r, as far as there are any. `u` is the row's own draw.
__device__ void fence_quad(const FenceRows& args, std::int64_t model, std::int64_t r, std::int64_t first, float u,
                           const uint4& words) {
  const MatrixView<const float> real = args.real.model(model);
  const std::int64_t count = real.columns - first;
  const float* here = real.row(r) + first;
  float quad[4];
  if (r % 3 == 2) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      quad[i] = multiply_add(2.0f * args.limit, unit_uniform(device::word_of(words, i)), -args.limit);
  } else {
    device::load_quad(quad, here, count, device::is_aligned16(here));
    if (r % 3 == 0) {
      const float deviation = fence_deviation(u);
      const NormalPair low = box_muller(words.x, words.y), high = box_muller(words.z, words.w);
      const float normal[4] = {low.cosine, low.sine, high.cosine, high.sine};
#pragma unroll
      for (int i = 0; i < 4; ++i) quad[i] = multiply_add(deviation, normal[i], quad[i]);
    } else {
      const float* next = real.row(r + 1 == real.rows ? 0 : r + 1) + first;
      float other[4];
      device::load_quad(other, next, count, device::is_aligned16(next));
#pragma unroll
      for (int i = 0; i < 4; ++i) quad[i] = unit_uniform(device::word_of(words, i)) < u ? other[i] : quad[i];
    }
  }
  float* to = args.out.model(model).row(r) + first;
  device::store_quad(to, quad, count, device::is_aligned16(to));
}

__global__ void __launch_bounds__(threads) fence_rows_kernel(FenceRows args) {
  device::wait_for_earlier_work();
  const std::int64_t r = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (r >= args.real.rows) return;
  const std::int64_t quads = (args.real.columns + 3) / 4;
  const std::int64_t block = r * (1 + quads);
  for (std::int64_t model = blockIdx.z; model < args.real.models; model += gridDim.z) {
    const float u = unit_uniform(device::random_block(args.key, model, static_cast<std::uint64_t>(block)).x);
    for (std::int64_t q = threadIdx.x; q < quads; q += blockDim.x) {
      const uint4 words = device::random_block(args.key, model, static_cast<std::uint64_t>(block + 1 + q));
      fence_quad(args, model, r, 4 * q, u, words);
    }
  }
}

void run_fence_rows(Context& context, const FenceRows& args) {
  if (args.real.rows == 0 || args.real.columns == 0 || args.real.models == 0) return;
  unsigned lanes = 1;
  while (lanes < device::warp_lanes && 4 * lanes < args.real.columns) lanes *= 2;
  device::LaunchShape shape;
  shape.block = dim3(lanes, threads / lanes);
  shape.grid = dim3(device::blocks_for(args.real.rows, shape.block.y), 1, device::model_blocks(args.real.models));
  shape.waits = true;
  device::launch(context.stream(), "fence_rows", shape, fence_rows_kernel, args);
}

}  // namespace

OpEntry<FenceRows> fence_rows_entry() {
  return {run_fence_rows, [](const Context&, const FenceRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
