#include "cugad/device.hpp"
#include "kernels/dense/dense_backward.cuh"
#include "kernels/device/dropout.cuh"
#include "kernels/device/tile_load.cuh"

/// The element-wise passes of dense_backward: dH before the products, the sum of the chunks after them.
namespace cugad::cuda {
namespace {

constexpr int pass_threads = 256;

struct ActivationArguments {
  DenseBackward op;
  std::int64_t first_model;
  std::int64_t groups;  ///< per row, of `width` neighbouring units
};

__device__ inline float unit_gradient(const DenseBackward& op, float y, float dy) {
  return device::activation_gradient(op.activation, op.slope, op.dropout_rate, y, dy);
}

/// Divides in 32 bits if that is enough.
__device__ inline std::int64_t quotient(std::int64_t a, std::int64_t b) {
  const bool narrow = ((a | b) >> 32) == 0;
  return narrow ? static_cast<std::int64_t>(static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b)) : a / b;
}

/// One thread per group of `width` units of a row; four if rows are aligned and whole.
template <int width>
__global__ void __launch_bounds__(pass_threads)
    activation_backward_kernel(const __grid_constant__ ActivationArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t model = p.first_model + blockIdx.z;
  const std::int64_t at = std::int64_t{blockIdx.x} * pass_threads + threadIdx.x;
  const std::int64_t row = quotient(at, p.groups), column = (at - row * p.groups) * width;
  if (row >= p.op.dy.rows) return;
  const float* const y = p.op.y.model(model).row(row) + column;
  float* const dy = p.op.dy.model(model).row(row) + column;
  if constexpr (width == 4) {
    const float4 h = *reinterpret_cast<const float4*>(y), d = *reinterpret_cast<const float4*>(dy);
    *reinterpret_cast<float4*>(dy) = make_float4(unit_gradient(p.op, h.x, d.x), unit_gradient(p.op, h.y, d.y),
                                                 unit_gradient(p.op, h.z, d.z), unit_gradient(p.op, h.w, d.w));
  } else {
    *dy = unit_gradient(p.op, *y, *dy);
  }
}

struct AddChunksArguments {
  DenseBackward op;
  std::int64_t first_model;
  ChunkSums sums;
};

/// One thread per parameter. The chunks' sums are added in ascending order.
__global__ void __launch_bounds__(pass_threads) add_chunks_kernel(const __grid_constant__ AddChunksArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t at = std::int64_t{blockIdx.x} * pass_threads + threadIdx.x;
  const std::int64_t o = quotient(at, p.sums.columns), column = at - o * p.sums.columns;
  if (o >= p.sums.out) return;
  const bool is_bias = column == p.sums.columns - 1;
  if (is_bias ? !p.op.dbias : !p.op.dweight) return;
  float sum = p.sums.row(blockIdx.z, 0, o)[column];
  for (std::int64_t chunk = 1; chunk < p.sums.chunks; ++chunk) sum += p.sums.row(blockIdx.z, chunk, o)[column];
  const std::int64_t model = p.first_model + blockIdx.z;
  keep_gradient(p.op, is_bias ? p.op.dbias.model(model).data + o : p.op.dweight.model(model).row(o) + column, sum);
}

}  // namespace

void launch_activation_backward(Context& context, const DenseBackward& op, std::int64_t first_model,
                                std::int64_t models) {
  if (op.activation == Activation::identity && op.dropout_rate == 0.0f) return;
  const bool vectors = device::rows_are_vectors(op.y) && device::rows_are_vectors(op.dy) && op.dy.columns % 4 == 0;
  const std::int64_t groups = vectors ? op.dy.columns / 4 : op.dy.columns;
  const ActivationArguments p{op, first_model, groups};
  const device::LaunchShape shape{
      .grid = dim3(device::blocks_for(op.dy.rows * groups, pass_threads), 1, static_cast<unsigned>(models)),
      .block = dim3(pass_threads),
      .waits = true};
  device::launch(context.stream(), "dense_backward (activation)", shape,
                 vectors ? activation_backward_kernel<4> : activation_backward_kernel<1>, p);
}

void launch_add_chunks(Context& context, const DenseBackward& op, const ChunkSums& sums, std::int64_t first_model,
                       std::int64_t models) {
  const AddChunksArguments p{op, first_model, sums};
  const device::LaunchShape shape{
      .grid = dim3(device::blocks_for(sums.out * sums.columns, pass_threads), 1, static_cast<unsigned>(models)),
      .block = dim3(pass_threads),
      .waits = true};
  device::launch(context.stream(), "dense_backward (sum of chunks)", shape, add_chunks_kernel, p);
}

}  // namespace cugad::cuda
