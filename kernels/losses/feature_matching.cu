#include "kernels/device/entries.hpp"
#include "kernels/losses/loss_sum.cuh"

/// A block owns 32 columns of one model, a lane per column; warp w holds partial sum w of the means (row r goes to
/// partial r % 8), so that the order, and so every bit of the gradient, is that of the CPU. Then all warps write the
/// gradient's rows. Order of the loss: columns of a chunk by device::block_sum, the chunks as in loss_sum.cuh.
namespace cugad::cuda {
namespace {

constexpr int chunk_columns = device::warp_lanes;
constexpr int partials = loss_threads / chunk_columns;

struct Work {
  FeatureMatching args;
  LossSum sum;
};

constexpr device::SharedLayout shared_layout() { return loss_layout().add<double>(partials * chunk_columns); }

/// The mean of column `column` (of no column: 0), in every warp. `sums`: shared, [partials][chunk_columns].
__device__ double column_mean(const MatrixView<const float>& x, std::int64_t column, double* sums) {
  const int lane = static_cast<int>(threadIdx.x) % chunk_columns, part = static_cast<int>(threadIdx.x) / chunk_columns;
  double sum = 0.0;
  if (column < x.columns) {
#pragma unroll 4
    for (std::int64_t r = part; r < x.rows; r += partials) sum += static_cast<double>(x.row(r)[column]);
  }
  sums[part * chunk_columns + lane] = sum;
  __syncthreads();
  double all[partials];
#pragma unroll
  for (int i = 0; i < partials; ++i) all[i] = sums[i * chunk_columns + lane];
#pragma unroll
  for (int half = partials / 2; half > 0; half /= 2) {
#pragma unroll
    for (int i = 0; i < half; ++i) all[i] += all[i + half];
  }
  __syncthreads();  // the sums are used again
  return all[0] / static_cast<double>(x.rows);
}

__global__ void __launch_bounds__(loss_threads) feature_matching_kernel(Work work) {
  const FeatureMatching& args = work.args;
  device::SharedMemory shared;
  double* scratch = shared.take<double>(loss_threads / device::warp_lanes);
  double* sums = shared.take<double>(partials * chunk_columns);
  const int part = static_cast<int>(threadIdx.x) / chunk_columns;
  const std::int64_t column = blockIdx.x * std::int64_t{chunk_columns} + threadIdx.x % chunk_columns;
  for (std::int64_t model = blockIdx.z; model < work.sum.models; model += gridDim.z) {
    const double real = column_mean(args.real.model(model), column, sums);
    const double difference = real - column_mean(args.generated.model(model), column, sums);
    if (column < args.real.columns) {
      const MatrixView<float> gradient = args.dgenerated.model(model);
      const float slope = matching_slope(difference, args.weight, gradient.rows);
      for (std::int64_t r = part; r < gradient.rows; r += partials) gradient.row(r)[column] = slope;
    }
    close_chunk(work.sum, model, part == 0 ? difference * difference : 0.0, scratch);
  }
}

std::int64_t chunks_of(const FeatureMatching& args) { return (args.real.columns + chunk_columns - 1) / chunk_columns; }

void run_feature_matching(Context& context, const FeatureMatching& args) {
  const std::int64_t models = args.real.models;
  if (models == 0 || args.real.columns == 0) return;
  const Work work = {args, {args.loss, args.weight, 1, false, nullptr, models, chunks_of(args)}};
  launch_loss(context, "feature_matching", feature_matching_kernel, work, shared_layout().bytes());
}

}  // namespace

OpEntry<FeatureMatching> feature_matching_entry() {
  return {run_feature_matching, [](const Context&, const FeatureMatching& args) -> std::size_t {
            return loss_workspace(args.loss, args.real.models, chunks_of(args));
          }};
}

}  // namespace cugad::cuda
