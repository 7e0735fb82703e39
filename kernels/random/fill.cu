#include "kernels/device/entries.hpp"
#include "kernels/device/philox.cuh"
#include "kernels/device/quad.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/random/normal.hpp"
#include "kernels/random/uniform.hpp"

/// One thread per Philox block: its four words are four consecutive elements of one model.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

/// Writes elements `first` to `first` + 3 of a model, as far as there are any; element e lies in row e / columns.
__device__ void put_quad(const MatrixView<float>& out, std::int64_t first, const float (&quad)[4]) {
  const std::int64_t count = out.rows * out.columns - first;
  if (out.row_stride == out.columns || out.rows == 1) {
    float* to = out.data + first;
    device::store_quad(to, quad, count, device::is_aligned16(to));
    return;
  }
  std::int64_t row = first / out.columns, column = first - row * out.columns;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i >= count) return;
    out.row(row)[column] = quad[i];
    if (++column == out.columns) {
      column = 0;
      ++row;
    }
  }
}

/// Element e, redrawn from the following lanes until it is at most 2 in magnitude.
__device__ float redraw(RandomKey key, std::int64_t model, std::int64_t element) {
  for (;;) {
    ++key.lane;
    const uint4 words = device::random_block(key, model, static_cast<std::uint64_t>(element / 4));
    const bool upper = element % 4 >= 2;
    const NormalPair pair = box_muller(upper ? words.z : words.x, upper ? words.w : words.y);
    const float normal = element % 2 == 0 ? pair.cosine : pair.sine;
    if (fabsf(normal) <= 2.0f) return normal;
  }
}

template <bool truncated>
__global__ void __launch_bounds__(threads) fill_normal_kernel(FillNormal args) {
  device::wait_for_earlier_work();
  const std::int64_t block = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  if (4 * block >= args.out.rows * args.out.columns) return;
  for (std::int64_t model = blockIdx.z; model < args.out.models; model += gridDim.z) {
    const uint4 words = device::random_block(args.key, model, static_cast<std::uint64_t>(block));
    const NormalPair low = box_muller(words.x, words.y), high = box_muller(words.z, words.w);
    float quad[4] = {low.cosine, low.sine, high.cosine, high.sine};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (truncated && fabsf(quad[i]) > 2.0f) quad[i] = redraw(args.key, model, 4 * block + i);
      quad[i] = multiply_add(args.deviation, quad[i], args.mean);
    }
    put_quad(args.out.model(model), 4 * block, quad);
  }
}

__global__ void __launch_bounds__(threads) fill_uniform_kernel(FillUniform args) {
  device::wait_for_earlier_work();
  const std::int64_t block = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  if (4 * block >= args.out.rows * args.out.columns) return;
  const float span = args.high - args.low;
  for (std::int64_t model = blockIdx.z; model < args.out.models; model += gridDim.z) {
    const uint4 words = device::random_block(args.key, model, static_cast<std::uint64_t>(block));
    const float quad[4] = {
        multiply_add(span, unit_uniform(words.x), args.low), multiply_add(span, unit_uniform(words.y), args.low),
        multiply_add(span, unit_uniform(words.z), args.low), multiply_add(span, unit_uniform(words.w), args.low)};
    put_quad(args.out.model(model), 4 * block, quad);
  }
}

template <class Args>
void fill(Context& context, const Args& args, const char* name, void (*kernel)(Args)) {
  const std::int64_t elements = args.out.rows * args.out.columns;
  if (elements == 0 || args.out.models == 0) return;
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(elements, 4 * threads), 1, device::model_blocks(args.out.models));
  shape.block = dim3(threads);
  shape.waits = true;
  device::launch(context.stream(), name, shape, kernel, args);
}

void run_fill_normal(Context& context, const FillNormal& args) {
  fill(context, args, "fill_normal", args.truncated ? fill_normal_kernel<true> : fill_normal_kernel<false>);
}

void run_fill_uniform(Context& context, const FillUniform& args) {
  fill(context, args, "fill_uniform", fill_uniform_kernel);
}

}  // namespace

OpEntry<FillNormal> fill_normal_entry() {
  return {run_fill_normal, [](const Context&, const FillNormal&) -> std::size_t { return 0; }};
}

OpEntry<FillUniform> fill_uniform_entry() {
  return {run_fill_uniform, [](const Context&, const FillUniform&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
