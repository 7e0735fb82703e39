#include <algorithm>
#include <cmath>

#include "kernels/device/entries.hpp"
#include "kernels/device/limits.hpp"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/elementary.hpp"

/// The power iterations of a model are one block's: a weight is small, and each step needs the whole vector of the one
/// before. u W: a thread per column walks down the rows; v W^T: a warp per row, lane l holding interleaved sum l. The
/// division of the weight, and the second half of the backward pass, spread over the whole device.
namespace cugad::cuda {
namespace {

constexpr int iteration_threads = 1024;
constexpr int warps = iteration_threads / device::warp_lanes;
constexpr int row_threads = 128;
constexpr int blocks_per_multiprocessor = 16;
constexpr double smallest = 1e-12;  ///< added to a norm

static_assert(warps == device::warp_lanes, "rows are summed in 32 interleaved sums, one per warp");

/// The block's sum of one number per warp, in every thread: the tree of the CPU over the warps.
__device__ double sum_of_warps(double value, double* scratch) {
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  __syncthreads();  // all reads of an earlier sum are done
  if (lane == 0) scratch[threadIdx.x / device::warp_lanes] = value;
  __syncthreads();
  return device::warp_sum(scratch[lane]);
}

/// sum x^2 of a vector, in every thread: each warp does the whole of it, 32 interleaved sums and a tree.
__device__ double square_sum(const float* x, std::int64_t count) {
  double sum = 0.0;
  for (std::int64_t i = threadIdx.x % device::warp_lanes; i < count; i += device::warp_lanes) {
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return device::warp_sum(sum);
}

/// v = u W / (|u W| + 1e-12). Barriers before and after other threads read v.
__device__ void right_vector(const float* u, const MatrixView<const float>& weight, float* v) {
  for (std::int64_t c = threadIdx.x; c < weight.columns; c += iteration_threads) {
    float sum = 0.0f;
#pragma unroll 4
    for (std::int64_t o = 0; o < weight.rows; ++o) sum = multiply_add(u[o], weight.row(o)[c], sum);
    v[c] = sum;
  }
  __syncthreads();
  const double norm = std::sqrt(square_sum(v, weight.columns)) + smallest;
  __syncthreads();
  for (std::int64_t c = threadIdx.x; c < weight.columns; c += iteration_threads) {
    v[c] = static_cast<float>(static_cast<double>(v[c]) / norm);
  }
  __syncthreads();
}

/// left = v W^T / (|v W^T| + 1e-12); returns v W^T left^T, in every thread.
__device__ double left_vector(const float* v, const MatrixView<const float>& weight, float* left, double* scratch) {
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
  for (std::int64_t o = warp; o < weight.rows; o += warps) {
    const float* row = weight.row(o);
    float sum = 0.0f;
#pragma unroll 4
    for (std::int64_t c = lane; c < weight.columns; c += device::warp_lanes) sum = multiply_add(v[c], row[c], sum);
    sum = device::warp_sum(sum);
    if (lane == 0) left[o] = sum;
  }
  __syncthreads();
  const double norm = std::sqrt(square_sum(left, weight.rows)) + smallest;
  __syncthreads();
  double sigma = 0.0;
  if (lane == 0) {
    for (std::int64_t o = warp; o < weight.rows; o += warps) {
      const auto image = static_cast<double>(left[o]);
      left[o] = static_cast<float>(image / norm);
      sigma += image * static_cast<double>(left[o]);
    }
  }
  return sum_of_warps(sigma, scratch);
}

__global__ void __launch_bounds__(iteration_threads) power_iteration_kernel(const __grid_constant__ SpectralNorm op) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(warps);
  for (std::int64_t model = blockIdx.z; model < op.normalised.models; model += gridDim.z) {
    const MatrixView<const float> weight = op.weight.model(model);
    float *u = op.u.model(model).data, *v = op.v.model(model).data, *left = op.left.model(model).data;
    double sigma = 0.0;
    for (int i = 0; i < op.iterations; ++i) {
      right_vector(i == 0 ? u : left, weight, v);
      sigma = left_vector(v, weight, left, scratch);
    }
    const auto rounded = static_cast<float>(sigma);
    if (threadIdx.x == 0) *op.sigma.model(model).data = rounded;
    if (!op.update || rounded == 0.0f) continue;
    for (std::int64_t o = threadIdx.x; o < weight.rows; o += iteration_threads) u[o] = left[o];
  }
}

/// normalised = weight / sigma, a block per row.
__global__ void __launch_bounds__(row_threads) divide_kernel(const __grid_constant__ SpectralNorm op) {
  for (std::int64_t model = blockIdx.z; model < op.normalised.models; model += gridDim.z) {
    const float sigma = *op.sigma.model(model).data;
    for (std::int64_t o = blockIdx.x; o < op.normalised.rows; o += gridDim.x) {
      const float* weight = op.weight.model(model).row(o);
      float* normalised = op.normalised.model(model).row(o);
      for (std::int64_t c = threadIdx.x; c < op.normalised.columns; c += row_threads) {
        normalised[c] = sigma != 0.0f ? weight[c] / sigma : 0.0f;
      }
    }
  }
}

struct BackwardArguments {
  SpectralNormBackward op;
  float* share;  ///< [models]: sum dN . N
};

__global__ void __launch_bounds__(iteration_threads) share_kernel(const __grid_constant__ BackwardArguments p) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(warps);
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
  for (std::int64_t model = blockIdx.z; model < p.op.gradient.models; model += gridDim.z) {
    const MatrixView<const float> normalised = p.op.normalised.model(model);
    const MatrixView<float> gradient = p.op.gradient.model(model);
    double total = 0.0;
    for (std::int64_t o = warp; o < gradient.rows; o += warps) {
      const float *a = gradient.row(o), *b = normalised.row(o);
      double sum = 0.0;
#pragma unroll 4
      for (std::int64_t c = lane; c < gradient.columns; c += device::warp_lanes) {
        sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
      }
      total += device::warp_sum(sum);
    }
    total = sum_of_warps(total, scratch);
    if (threadIdx.x == 0) p.share[model] = static_cast<float>(total);
  }
}

/// dW = (dN - share left^T v) / sigma, a block per row.
__global__ void __launch_bounds__(row_threads) weight_gradient_kernel(const __grid_constant__ BackwardArguments p) {
  for (std::int64_t model = blockIdx.z; model < p.op.gradient.models; model += gridDim.z) {
    const float *left = p.op.left.model(model).data, *v = p.op.v.model(model).data;
    const float sigma = *p.op.sigma.model(model).data, share = p.share[model];
    for (std::int64_t o = blockIdx.x; o < p.op.gradient.rows; o += gridDim.x) {
      float* gradient = p.op.gradient.model(model).row(o);
      const float factor = -(share * left[o]);
      for (std::int64_t c = threadIdx.x; c < p.op.gradient.columns; c += row_threads) {
        gradient[c] = sigma != 0.0f ? multiply_add(factor, v[c], gradient[c]) / sigma : 0.0f;
      }
    }
  }
}

device::LaunchShape model_shape(std::int64_t models) {
  device::LaunchShape shape;
  shape.grid = dim3(1, 1, device::model_blocks(models));
  shape.block = dim3(iteration_threads);
  shape.shared_bytes = device::SharedLayout().add<double>(warps).bytes();
  return shape;
}

device::LaunchShape row_shape(const Context& context, const StackView<float>& matrix) {
  const std::int64_t enough = std::int64_t{blocks_per_multiprocessor} * device_limits(context).multiprocessors;
  device::LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(std::min(matrix.rows, enough)), 1, device::model_blocks(matrix.models));
  shape.block = dim3(row_threads);
  return shape;
}

bool is_empty(const StackView<float>& matrix) { return matrix.models == 0 || matrix.rows == 0 || matrix.columns == 0; }

void run_spectral_norm(Context& context, const SpectralNorm& args) {
  if (is_empty(args.normalised)) return;
  device::launch(context.stream(), "spectral_norm power iteration", model_shape(args.normalised.models),
                 power_iteration_kernel, args);
  device::launch(context.stream(), "spectral_norm division", row_shape(context, args.normalised), divide_kernel, args);
}

std::size_t backward_workspace(const Context&, const SpectralNormBackward& args) {
  return sizeof(float) * static_cast<std::size_t>(args.gradient.models);
}

void run_spectral_norm_backward(Context& context, const SpectralNormBackward& args) {
  if (is_empty(args.gradient)) return;
  const BackwardArguments p = {args, static_cast<float*>(context.scratch(backward_workspace(context, args)))};
  device::launch(context.stream(), "spectral_norm_backward sum", model_shape(args.gradient.models), share_kernel, p);
  device::launch(context.stream(), "spectral_norm_backward", row_shape(context, args.gradient), weight_gradient_kernel,
                 p);
}

}  // namespace

OpEntry<SpectralNorm> spectral_norm_entry() {
  return {run_spectral_norm, [](const Context&, const SpectralNorm&) -> std::size_t { return 0; }};
}
OpEntry<SpectralNormBackward> spectral_norm_backward_entry() {
  return {run_spectral_norm_backward, backward_workspace};
}

}  // namespace cugad::cuda
