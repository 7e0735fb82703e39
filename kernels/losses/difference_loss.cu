#include "kernels/device/entries.hpp"
#include "kernels/losses/loss_sum.cuh"

/// One pass: a block takes `chunk_rows` rows of one model, a group of neighbouring lanes per row, as wide as the row
/// needs; each lane writes gradients and keeps its share of the loss. Limit: memory. Order of the loss: rows and
/// columns of a lane ascending, the lanes by device::block_sum, the chunks as in loss_sum.cuh.
namespace cugad::cuda {
namespace {

constexpr std::int64_t chunk_rows = 64;

struct Work {
  DifferenceLoss args;
  LossSum sum;
  int lanes;     ///< per row, a power of two
  float factor;  ///< of the slopes
};

__device__ void put(float* gradient, float factor, float slope, bool accumulate) {
  *gradient = accumulate ? multiply_add(factor, slope, *gradient) : factor * slope;
}

/// The rows of one chunk that belong to this thread; its share of the loss.
template <bool SQUARED, bool WEIGHTED>
__device__ double run_rows(const Work& work, std::int64_t model) {
  const DifferenceLoss& args = work.args;
  const MatrixView<const float> a = args.a.model(model), b = args.b.model(model);
  const MatrixView<float> da = args.da.model(model), db = args.db.model(model);
  const int lane = static_cast<int>(threadIdx.x) % work.lanes, first = static_cast<int>(threadIdx.x) / work.lanes;
  const std::int64_t begin = blockIdx.x * chunk_rows;
  const std::int64_t end = begin + chunk_rows < a.rows ? begin + chunk_rows : a.rows;
  double share = 0.0;
  for (std::int64_t r = begin + first; r < end; r += loss_threads / work.lanes) {
    const float *x = a.row(r), *y = b.row(r);
    for (std::int64_t c = lane; c < a.columns; c += work.lanes) {
      const float difference = x[c] - y[c];
      const float weight = WEIGHTED ? args.cell_weight.model(model).row(r)[c] : 1.0f;
      const float slope = (SQUARED ? difference : sign_of(difference)) * weight;
      if (args.da) put(da.row(r) + c, work.factor, slope, args.accumulate);
      if (args.db) put(db.row(r) + c, -work.factor, slope, args.accumulate);
      const double wide = difference;
      share += (SQUARED ? wide * wide : fabs(wide)) * weight;
    }
  }
  return share;
}

/// Six blocks a multiprocessor, and five with weights: aiming at more, ptxas spills.
template <bool SQUARED, bool WEIGHTED>
__global__ void __launch_bounds__(loss_threads, WEIGHTED ? 5 : 6) difference_loss_kernel(Work work) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(loss_threads / device::warp_lanes);
  for (std::int64_t model = blockIdx.z; model < work.sum.models; model += gridDim.z) {
    close_chunk(work.sum, model, run_rows<SQUARED, WEIGHTED>(work, model), scratch);
  }
}

std::int64_t chunks_of(const DifferenceLoss& args) { return (args.a.rows + chunk_rows - 1) / chunk_rows; }

void run_difference_loss(Context& context, const DifferenceLoss& args) {
  const std::int64_t models = args.a.models, rows = args.a.rows, columns = args.a.columns;
  if (models == 0 || rows == 0 || columns == 0) return;
  Work work = {args, {args.loss, args.weight, rows * columns, false, nullptr, models, chunks_of(args)}, 1, 0.0f};
  const bool squared = args.metric == Distance::squared;
  work.factor = difference_slope(squared, args.weight, rows * columns);
  while (work.lanes < device::warp_lanes && work.lanes < columns) work.lanes *= 2;
  const auto kernel = args.cell_weight
                          ? squared ? difference_loss_kernel<true, true> : difference_loss_kernel<false, true>
                      : squared ? difference_loss_kernel<true, false>
                                : difference_loss_kernel<false, false>;
  launch_loss(context, "difference_loss", kernel, work);
}

}  // namespace

OpEntry<DifferenceLoss> difference_loss_entry() {
  return {run_difference_loss, [](const Context&, const DifferenceLoss& args) -> std::size_t {
            return loss_workspace(args.loss, args.a.models, chunks_of(args));
          }};
}

}  // namespace cugad::cuda
