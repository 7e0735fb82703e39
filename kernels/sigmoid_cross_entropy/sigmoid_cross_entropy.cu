#include "kernels/device/entries.hpp"
#include "kernels/device/reduce.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/sigmoid_cross_entropy/terms.hpp"

/// One pass over the logits: each block takes `chunk` rows of one model and writes gradients and losses as it goes.
/// The order of the two sums, in double: within a chunk, row r goes to partial sum r % threads, these are added by
/// device::block_sum; if a model has several chunks, chunk c goes to partial sum c % threads of a second, tiny kernel,
/// added in the same way. A minibatch is one chunk: one launch for all models.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;
constexpr std::int64_t chunk = 8 * threads;  ///< rows

struct Work {
  SigmoidCrossEntropy args;
  double2* partial;  ///< [models, chunks]: the sums of losses and of probabilities
  std::int64_t chunks;
};

bool wants_sums(const SigmoidCrossEntropy& args) { return args.loss || args.mean_probability; }

std::int64_t chunks_of(const SigmoidCrossEntropy& args) { return (args.logit.rows + chunk - 1) / chunk; }

__device__ void put(const StackView<float>& view, std::int64_t model, double value, bool accumulate) {
  if (!view) return;
  float& place = *view.model(model).data;
  place = accumulate ? place + static_cast<float>(value) : static_cast<float>(value);
}

/// Writes a model's means from its sums; called by one thread.
__device__ void finish(const SigmoidCrossEntropy& args, std::int64_t model, double loss, double probability) {
  const auto n = static_cast<double>(args.logit.rows);
  put(args.loss, model, static_cast<double>(args.weight) * loss / n, args.accumulate);
  put(args.mean_probability, model, probability / n, args.accumulate);
}

/// The sums over the block of both parts, in every thread. `scratch`: shared memory, two doubles per warp.
__device__ double2 block_sums(double2 value, double* scratch) {
  const double x = device::block_sum(value.x, scratch);
  const double y = device::block_sum(value.y, scratch + threads / device::warp_lanes);
  return make_double2(x, y);
}

constexpr device::SharedLayout shared_layout() {
  return device::SharedLayout().add<double>(2 * threads / device::warp_lanes);
}

/// The rows of one chunk of one model; this thread's sums.
__device__ double2 run_rows(const SigmoidCrossEntropy& args, std::int64_t model, std::int64_t first, float scale) {
  const MatrixView<const float> logit = args.logit.model(model);
  const MatrixView<float> dlogit = args.dlogit.model(model), per_row = args.per_row.model(model);
  const std::int64_t end = first + chunk < logit.rows ? first + chunk : logit.rows;
  double2 sums = make_double2(0.0, 0.0);
  for (std::int64_t r = first + threadIdx.x; r < end; r += threads) {
    const CrossEntropyTerms terms = cross_entropy_terms(*logit.row(r), args.target);
    if (args.dlogit) *dlogit.row(r) = scale * terms.slope;
    if (args.per_row) *per_row.row(r) = terms.per_row;
    sums.x += static_cast<double>(terms.per_row);
    sums.y += static_cast<double>(terms.probability);
  }
  return sums;
}

__global__ void __launch_bounds__(threads) cross_entropy_kernel(Work work) {
  device::wait_for_earlier_work();
  const SigmoidCrossEntropy& args = work.args;
  device::SharedMemory shared;
  double* scratch = shared.take<double>(2 * threads / device::warp_lanes);
  const float scale = args.weight / static_cast<float>(args.logit.rows);
  for (std::int64_t model = blockIdx.z; model < args.logit.models; model += gridDim.z) {
    double2 sums = run_rows(args, model, blockIdx.x * chunk, scale);
    if (!args.loss && !args.mean_probability) continue;
    sums = block_sums(sums, scratch);
    if (threadIdx.x == 0) {
      if (work.chunks == 1) {
        finish(args, model, sums.x, sums.y);
      } else {
        work.partial[model * work.chunks + blockIdx.x] = sums;
      }
    }
    __syncthreads();  // the scratch is used again
  }
}

__global__ void __launch_bounds__(threads) finish_kernel(Work work) {
  device::wait_for_earlier_work();
  device::SharedMemory shared;
  double* scratch = shared.take<double>(2 * threads / device::warp_lanes);
  for (std::int64_t model = blockIdx.z; model < work.args.logit.models; model += gridDim.z) {
    double2 sums = make_double2(0.0, 0.0);
    for (std::int64_t c = threadIdx.x; c < work.chunks; c += threads) {
      const double2 part = work.partial[model * work.chunks + c];
      sums.x += part.x;
      sums.y += part.y;
    }
    sums = block_sums(sums, scratch);
    if (threadIdx.x == 0) finish(work.args, model, sums.x, sums.y);
    __syncthreads();
  }
}

std::size_t workspace_of(const Context&, const SigmoidCrossEntropy& args) {
  const std::int64_t chunks = chunks_of(args);
  if (chunks <= 1 || !wants_sums(args)) return 0;
  return sizeof(double2) * static_cast<std::size_t>(args.logit.models * chunks);
}

void run_sigmoid_cross_entropy(Context& context, const SigmoidCrossEntropy& args) {
  if (args.logit.rows == 0 || args.logit.models == 0) return;
  const std::size_t bytes = workspace_of(context, args);
  const Work work = {args, bytes == 0 ? nullptr : static_cast<double2*>(context.scratch(bytes)), chunks_of(args)};
  device::LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(work.chunks), 1, device::model_blocks(args.logit.models));
  shape.block = dim3(threads);
  shape.shared_bytes = shared_layout().bytes();
  shape.waits = true;
  device::launch(context.stream(), "sigmoid_cross_entropy", shape, cross_entropy_kernel, work);
  if (bytes == 0) return;
  shape.grid.x = 1;
  device::launch(context.stream(), "sigmoid_cross_entropy (sums)", shape, finish_kernel, work);
}

}  // namespace

OpEntry<SigmoidCrossEntropy> sigmoid_cross_entropy_entry() { return {run_sigmoid_cross_entropy, workspace_of}; }

}  // namespace cugad::cuda
