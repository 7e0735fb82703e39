#include "kernels/device/entries.hpp"
#include "kernels/losses/loss_sum.cuh"

/// One pass over the logits, `chunk` rows of one model per block. Order of the sum: in a chunk row r goes to thread
/// r % threads, the threads by device::block_sum, the chunks as in loss_sum.cuh.
namespace cugad::cuda {
namespace {

constexpr std::int64_t chunk = 8 * loss_threads;  ///< rows

struct Work {
  LinearLoss args;
  LossSum sum;
  float slope;  ///< dlogit
};

__global__ void __launch_bounds__(loss_threads) linear_loss_kernel(Work work) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(loss_threads / device::warp_lanes);
  const std::int64_t rows = work.sum.count, begin = blockIdx.x * chunk;
  const std::int64_t end = begin + chunk < rows ? begin + chunk : rows;
  for (std::int64_t model = blockIdx.z; model < work.sum.models; model += gridDim.z) {
    const MatrixView<const float> logit = work.args.logit.model(model);
    const MatrixView<float> dlogit = work.args.dlogit.model(model);
    double share = 0.0;
    for (std::int64_t r = begin + threadIdx.x; r < end; r += loss_threads) {
      share += static_cast<double>(*logit.row(r));
      if (work.args.dlogit) *dlogit.row(r) = work.slope;
    }
    close_chunk(work.sum, model, share, scratch);
  }
}

std::int64_t chunks_of(const LinearLoss& args) { return (args.logit.rows + chunk - 1) / chunk; }

void run_linear_loss(Context& context, const LinearLoss& args) {
  const std::int64_t models = args.logit.models, rows = args.logit.rows;
  if (models == 0 || rows == 0) return;
  const Work work = {args,
                     {args.loss, args.weight, rows, args.accumulate, nullptr, models, chunks_of(args)},
                     mean_loss(args.weight, 1.0, rows)};
  launch_loss(context, "linear_loss", linear_loss_kernel, work);
}

}  // namespace

OpEntry<LinearLoss> linear_loss_entry() {
  return {run_linear_loss, [](const Context&, const LinearLoss& args) -> std::size_t {
            return loss_workspace(args.loss, args.logit.models, chunks_of(args));
          }};
}

}  // namespace cugad::cuda
