#include "kernels/device/entries.hpp"
#include "kernels/losses/loss_sum.cuh"

/// Half a warp per row: lane l holds partial sum l of the squared norm, so that the order is that of the CPU and so are
/// the tangent's bits. A row is read twice, the second time from the cache. Order of the loss: the rows of a half-warp
/// ascending, the half-warps by device::block_sum, the chunks as in loss_sum.cuh.
namespace cugad::cuda {
namespace {

constexpr int partials = 16;
constexpr int rows_at_once = loss_threads / partials;
constexpr std::int64_t chunk_rows = 4 * rows_at_once;

struct Work {
  GradientPenalty args;
  LossSum sum;
  double slope;
};

/// In every lane of the half-warp.
__device__ double squared_norm(const float* g, std::int64_t columns, int lane) {
  double sum = 0.0;
#pragma unroll 4
  for (std::int64_t c = lane; c < columns; c += partials) {
    const double value = g[c];
    sum += value * value;
  }
#pragma unroll
  for (int half = partials / 2; half > 0; half /= 2) sum += __shfl_xor_sync(device::full_warp, sum, half);
  return sum;
}

/// The rows of one chunk; this thread's share of the loss.
__device__ double run_rows(const Work& work, std::int64_t model) {
  const GradientPenalty& args = work.args;
  const MatrixView<const float> gradient = args.gradient.model(model);
  const MatrixView<float> tangent = args.tangent.model(model);
  const int lane = static_cast<int>(threadIdx.x) % partials, group = static_cast<int>(threadIdx.x) / partials;
  const std::int64_t begin = blockIdx.x * chunk_rows;
  double share = 0.0;
#pragma unroll 1
  for (std::int64_t i = 0; i < chunk_rows; i += rows_at_once) {
    const std::int64_t row = begin + i + group;
    const bool inside = row < gradient.rows;
    const float* g = gradient.row(inside ? row : 0);  // lanes without a row take part in the shuffles
    const double norm = squared_norm(g, inside ? gradient.columns : 0, lane);
    if (!inside) continue;
    const PenaltyTerms terms = penalty_terms(norm, args.target, work.slope);
    if (lane == 0) share += terms.loss;
    float* to = tangent.row(row);
    for (std::int64_t c = lane; c < gradient.columns; c += partials) to[c] = terms.factor * g[c];
  }
  return share;
}

__global__ void __launch_bounds__(loss_threads) gradient_penalty_kernel(Work work) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(loss_threads / device::warp_lanes);
  for (std::int64_t model = blockIdx.z; model < work.sum.models; model += gridDim.z) {
    close_chunk(work.sum, model, run_rows(work, model), scratch);
  }
}

std::int64_t chunks_of(const GradientPenalty& args) { return (args.gradient.rows + chunk_rows - 1) / chunk_rows; }

void run_gradient_penalty(Context& context, const GradientPenalty& args) {
  const std::int64_t models = args.gradient.models, rows = args.gradient.rows;
  if (models == 0 || rows == 0 || args.gradient.columns == 0) return;
  const Work work = {
      args, {args.loss, args.weight, rows, false, nullptr, models, chunks_of(args)}, penalty_slope(args.weight, rows)};
  launch_loss(context, "gradient_penalty", gradient_penalty_kernel, work);
}

}  // namespace

OpEntry<GradientPenalty> gradient_penalty_entry() {
  return {run_gradient_penalty, [](const Context&, const GradientPenalty& args) -> std::size_t {
            return loss_workspace(args.loss, args.gradient.models, chunks_of(args));
          }};
}

}  // namespace cugad::cuda
