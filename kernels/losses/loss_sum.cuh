#pragma once

#include "cugad/ops.hpp"
#include "kernels/device/reduce.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/losses/terms.hpp"

/// The sums of the mean losses: each block sums the terms of one chunk of one model, in double; if a model has several
/// chunks, chunk c goes to partial sum c % threads of a second, tiny kernel, and these are added by device::block_sum.
/// A minibatch is few chunks, often one: then there is one launch. A kernel may close two sums of the same chunks.
namespace cugad::cuda {
namespace {

constexpr int loss_threads = 256;

struct LossSum {
  StackView<float> loss;  ///< null: not wanted
  float weight;
  std::int64_t count;  ///< divisor of the sum
  bool accumulate;
  double* partial;  ///< [models, chunks]
  std::int64_t models, chunks;
};

constexpr device::SharedLayout loss_layout() {
  return device::SharedLayout().add<double>(loss_threads / device::warp_lanes);
}

__device__ void write_loss(const LossSum& work, std::int64_t model, double sum) {
  float& loss = *work.loss.model(model).data;
  const float mean = mean_loss(work.weight, sum, work.count);
  loss = work.accumulate ? loss + mean : mean;
}

/// Hands in the thread's share of chunk blockIdx.x; called by the whole block. `scratch`: one double per warp.
__device__ void close_chunk(const LossSum& work, std::int64_t model, double share, double* scratch) {
  if (!work.loss) return;
  const double sum = device::block_sum(share, scratch);
  if (threadIdx.x == 0) {
    if (work.chunks == 1) {
      write_loss(work, model, sum);
    } else {
      work.partial[model * work.chunks + blockIdx.x] = sum;
    }
  }
  __syncthreads();  // the scratch is used again
}

__global__ void __launch_bounds__(loss_threads) finish_kernel(LossSum first, LossSum second) {
  device::wait_for_earlier_work();
  const LossSum work = blockIdx.y == 0 ? first : second;
  if (!work.loss) return;
  device::SharedMemory shared;
  double* scratch = shared.take<double>(loss_threads / device::warp_lanes);
  for (std::int64_t model = blockIdx.z; model < work.models; model += gridDim.z) {
    double share = 0.0;
    for (std::int64_t c = threadIdx.x; c < work.chunks; c += loss_threads) {
      share += work.partial[model * work.chunks + c];
    }
    const double sum = device::block_sum(share, scratch);
    if (threadIdx.x == 0) write_loss(work, model, sum);
    __syncthreads();
  }
}

std::size_t loss_workspace(const StackView<float>& loss, std::int64_t models, std::int64_t chunks) {
  return loss && chunks > 1 ? sizeof(double) * static_cast<std::size_t>(models * chunks) : 0;
}

/// A block per chunk and model.
device::LaunchShape loss_shape(const LossSum& sum, std::size_t shared_bytes) {
  device::LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(sum.chunks), 1, device::model_blocks(sum.models));
  shape.block = dim3(loss_threads);
  shape.shared_bytes = shared_bytes;
  return shape;
}

/// Launches what adds the chunks of one or two sums; `waits`: may be launched early, as the kernel before it.
void finish_sums(Context& context, const LossSum& first, const LossSum& second, bool waits) {
  device::LaunchShape shape = loss_shape(first, loss_layout().bytes());
  shape.grid.x = 1;
  shape.grid.y = second.loss ? 2 : 1;
  shape.waits = waits;
  device::launch(context.stream(), "sums of a loss", shape, finish_kernel, first, second);
}

/// Launches `kernel`, then what finishes the sum. `waits`: the kernel calls wait_for_earlier_work().
template <class Work>
void launch_loss(Context& context, const char* name, void (*kernel)(Work), Work work,
                 std::size_t shared_bytes = loss_layout().bytes(), bool waits = false) {
  LossSum& sum = work.sum;
  const std::size_t bytes = loss_workspace(sum.loss, sum.models, sum.chunks);
  if (bytes != 0) sum.partial = static_cast<double*>(context.scratch(bytes));
  device::LaunchShape shape = loss_shape(sum, shared_bytes);
  shape.waits = waits;
  device::launch(context.stream(), name, shape, kernel, work);
  if (bytes != 0) finish_sums(context, sum, {}, waits);
}

}  // namespace
}  // namespace cugad::cuda
