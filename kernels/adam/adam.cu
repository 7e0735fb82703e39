#include <algorithm>

#include "kernels/adam/constants.hpp"
#include "kernels/device/entries.hpp"
#include "kernels/device/limits.hpp"
#include "kernels/device/quad.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/device/shared_memory.cuh"

/// Adam, the moving average and the gradient's norm in one pass over flat buffers, all models in one launch.
/// Limit: memory. An element moves 28 bytes (36 with the average) and costs about 50 instructions (an estimate), a
/// third of what a multiprocessor issues while the bytes arrive. Blocks stay and step over chunks of one model, so that
/// the bias corrections (double, one thread) are computed once per block. Order of the norm's sum, in double: in a
/// chunk, thread t adds elements 4 t to 4 t + 3, then those 4 * threads further on, ...; the threads are added by
/// device::block_sum; chunk c goes to partial sum c % threads of a second, tiny kernel, added in the same way.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;
constexpr std::int64_t chunk = 4 * 4 * threads;  ///< elements: four quads per thread
constexpr int blocks_per_multiprocessor = 8;

struct Work {
  Adam args;
  double* partial;  ///< [models, chunks]: sums of squares
  std::int64_t chunks;
};

struct Buffers {
  float *parameter, *first_moment, *second_moment, *average;
  const float* gradient;
  std::int64_t n;
  bool aligned;  ///< all of them, to 16 bytes
};

__device__ Buffers buffers_of(const Adam& args, std::int64_t model) {
  Buffers at = {args.parameter.model(model).data,
                args.first_moment.model(model).data,
                args.second_moment.model(model).data,
                args.average ? args.average.model(model).data : nullptr,
                args.gradient.model(model).data,
                args.parameter.columns,
                false};
  at.aligned = device::is_aligned16(at.parameter) && device::is_aligned16(at.first_moment) &&
               device::is_aligned16(at.second_moment) && device::is_aligned16(at.average) &&
               device::is_aligned16(at.gradient);
  return at;
}

/// decay * old + (1 - decay) * fresh.
__device__ float mixture(const MixtureFactors& factors, float old, float fresh) {
  return factors.mostly_old ? multiply_add(factors.share, fresh - old, old)
                            : multiply_add(factors.share, old - fresh, fresh);
}

/// The same with the square of x for the fresh term.
__device__ float mixture_of_square(const MixtureFactors& factors, float old, float x) {
  if (factors.mostly_old) return multiply_add(factors.share, multiply_add(x, x, -old), old);
  return mixture(factors, old, x * x);
}

/// As on the CPU, where subnormal numbers are slow: the moments stay the same bits.
__device__ float without_subnormal(float x) { return fabsf(x) < 0x1p-126f ? 0.0f : x; }

template <bool averaged>
__device__ void step_quad(const Buffers& at, std::int64_t i, const float (&g)[4], const AdamConstants& c) {
  const std::int64_t count = at.n - i;
  float w[4], m[4], v[4], average[4];
  device::load_quad(m, at.first_moment + i, count, at.aligned);
  device::load_quad(v, at.second_moment + i, count, at.aligned);
  device::load_quad(w, at.parameter + i, count, at.aligned);
  if constexpr (averaged) device::load_quad(average, at.average + i, count, at.aligned);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    m[k] = without_subnormal(mixture(c.first, m[k], g[k]));
    v[k] = without_subnormal(mixture_of_square(c.second, v[k], g[k]));
    const float ratio = m[k] / multiply_add(square_root_exact(v[k]), c.root_scale, c.epsilon);
    w[k] = multiply_add(-c.step, ratio, w[k]);
    if constexpr (averaged) average[k] = mixture(c.average, average[k], w[k]);
  }
  device::store_quad(at.first_moment + i, m, count, at.aligned);
  device::store_quad(at.second_moment + i, v, count, at.aligned);
  device::store_quad(at.parameter + i, w, count, at.aligned);
  if constexpr (averaged) device::store_quad(at.average + i, average, count, at.aligned);
}

/// One chunk; this thread's share of the sum of squares.
template <bool averaged, bool normed>
__device__ double run_chunk(const Buffers& at, std::int64_t first, const AdamConstants& c, bool frozen) {
  double squares = 0.0;
  const std::int64_t end = first + chunk < at.n ? first + chunk : at.n;
#pragma unroll 1
  for (std::int64_t i = first + 4 * threadIdx.x; i < end; i += 4 * threads) {
    float g[4];
    device::load_quad(g, at.gradient + i, at.n - i, at.aligned);
    if constexpr (normed) {
#pragma unroll
      for (int k = 0; k < 4; ++k) squares += static_cast<double>(g[k]) * static_cast<double>(g[k]);
    }
    if (!frozen) step_quad<averaged>(at, i, g, c);
  }
  return squares;
}

constexpr device::SharedLayout shared_layout() {
  return device::SharedLayout().add<AdamConstants>(1).add<double>(threads / device::warp_lanes);
}

template <bool averaged, bool normed>
__global__ void __launch_bounds__(threads) adam_kernel(Work work) {
  device::wait_for_earlier_work();
  const Adam& args = work.args;
  device::SharedMemory shared;
  AdamConstants* constants = shared.take<AdamConstants>(1);
  double* scratch = shared.take<double>(threads / device::warp_lanes);
  for (std::int64_t model = blockIdx.z; model < args.parameter.models; model += gridDim.z) {
    const double scale = args.model_scale ? static_cast<double>(*args.model_scale.model(model).data) : 1.0;
    const bool frozen = scale == 0.0;
    if (frozen && !normed) continue;
    if (threadIdx.x == 0) *constants = adam_constants(args, scale);
    __syncthreads();
    const AdamConstants c = *constants;
    const Buffers at = buffers_of(args, model);
    for (std::int64_t k = blockIdx.x; k < work.chunks; k += gridDim.x) {
      const double squares = run_chunk<averaged, normed>(at, k * chunk, c, frozen);
      if constexpr (normed) {
        const double sum = device::block_sum(squares, scratch);
        if (threadIdx.x == 0) work.partial[model * work.chunks + k] = sum;
        __syncthreads();  // the scratch is used again
      }
    }
    __syncthreads();  // so are the constants
  }
}

__global__ void __launch_bounds__(threads) norm_kernel(Work work) {
  device::wait_for_earlier_work();
  device::SharedMemory shared;
  double* scratch = shared.take<double>(threads / device::warp_lanes);
  for (std::int64_t model = blockIdx.z; model < work.args.parameter.models; model += gridDim.z) {
    double squares = 0.0;
    for (std::int64_t k = threadIdx.x; k < work.chunks; k += threads) squares += work.partial[model * work.chunks + k];
    const double sum = device::block_sum(squares, scratch);
    if (threadIdx.x == 0) *work.args.squared_norm.model(model).data = static_cast<float>(sum);
    __syncthreads();
  }
}

std::int64_t chunks_of(const Adam& args) { return (args.parameter.columns + chunk - 1) / chunk; }

std::size_t workspace_of(const Context&, const Adam& args) {
  return args.squared_norm ? sizeof(double) * static_cast<std::size_t>(args.parameter.models * chunks_of(args)) : 0;
}

void run_adam(Context& context, const Adam& args) {
  const std::int64_t models = args.parameter.models;
  if (models == 0) return;
  const bool normed = static_cast<bool>(args.squared_norm), averaged = static_cast<bool>(args.average);
  const std::size_t bytes = workspace_of(context, args);
  const Work work = {args, bytes == 0 ? nullptr : static_cast<double*>(context.scratch(bytes)), chunks_of(args)};
  device::LaunchShape shape;
  shape.grid = dim3(1, 1, device::model_blocks(models));
  shape.block = dim3(threads);
  shape.shared_bytes = shared_layout().bytes();
  shape.waits = true;
  if (work.chunks > 0) {
    const std::int64_t resident = std::int64_t{blocks_per_multiprocessor} * device_limits(context).multiprocessors;
    device::LaunchShape wide = shape;
    wide.grid.x = static_cast<unsigned>(std::min(work.chunks, (resident + models - 1) / models));
    const auto kernel = averaged ? normed ? adam_kernel<true, true> : adam_kernel<true, false>
                        : normed ? adam_kernel<false, true>
                                 : adam_kernel<false, false>;
    device::launch(context.stream(), "adam", wide, kernel, work);
  }
  if (normed) device::launch(context.stream(), "adam (norm)", shape, norm_kernel, work);
}

}  // namespace

OpEntry<Adam> adam_entry() { return {run_adam, workspace_of}; }

}  // namespace cugad::cuda
