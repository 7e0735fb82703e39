#include "kernels/device/entries.hpp"
#include "kernels/masks/row_lanes.cuh"
#include "kernels/masks/row_weight.hpp"
#include "kernels/sigmoid_cross_entropy/terms.hpp"

/// A row's lanes count its cells that have a value, then each takes its columns in one pass: a logit is
/// read once, by the thread that may overwrite it with its gradient.
namespace cugad::cuda {
namespace {

struct Work {
  CellCrossEntropy args;
  LossSum loss, probability;
  RowLanes lanes;
};

/// A lane's columns of a row; adds its shares of the row's means to the sums.
__device__ void run_row(const Work& work, std::int64_t model, std::int64_t r, int lane, bool is_row, double& loss,
                        double& probability) {
  const CellCrossEntropy& args = work.args;
  const float* logit = args.logit.model(model).row(r);
  const float* mask = args.mask ? args.mask.model(model).row(r) : nullptr;
  const float* x = args.x ? args.x.model(model).row(r) : nullptr;
  const auto is_hidden = [mask](std::int64_t c) { return mask != nullptr && mask[c] != 0.0f; };
  const auto is_there = [x](std::int64_t c) { return x == nullptr || x[c] == x[c]; };
  const std::int64_t end = is_row ? args.logit.columns : 0, step = work.lanes.lanes;
  int hidden = 0, there = 0;
  for (std::int64_t c = lane; (mask != nullptr || x != nullptr) && c < end; c += step) {
    hidden += is_there(c) && is_hidden(c) ? 1 : 0;
    there += is_there(c) ? 1 : 0;
  }
  hidden = work.lanes.sum(hidden);
  there = mask == nullptr && x == nullptr ? static_cast<int>(args.logit.columns) : work.lanes.sum(there);
  const int cells = args.masked_only ? hidden : there, seen = mask != nullptr ? hidden : there;
  const float scale = row_weight(args.weight, args.logit.rows, cells);
  double entropies = 0.0, probabilities = 0.0;
  for (std::int64_t c = lane; c < end; c += step) {
    const bool counts = is_there(c) && (!args.masked_only || is_hidden(c));
    const CrossEntropyTerms terms = cross_entropy_terms(logit[c], is_hidden(c) ? args.masked_target : args.target);
    if (counts) entropies += static_cast<double>(terms.per_row);
    if (is_there(c) && (mask == nullptr || is_hidden(c))) probabilities += static_cast<double>(terms.probability);
    if (args.dlogit) args.dlogit.model(model).row(r)[c] = counts ? scale * terms.slope : 0.0f;
  }
  if (cells > 0 && args.loss) loss += entropies / static_cast<double>(cells);
  if (seen > 0 && args.mean_probability) probability += probabilities / static_cast<double>(seen);
}

__global__ void __launch_bounds__(loss_threads) cell_cross_entropy_kernel(Work work) {
  device::wait_for_earlier_work();
  device::SharedMemory shared;
  double* scratch = shared.take<double>(loss_threads / device::warp_lanes);
  for (std::int64_t model = blockIdx.z; model < work.loss.models; model += gridDim.z) {
    double loss = 0.0, probability = 0.0;
    work.lanes.over_rows(work.args.logit.rows, [&](std::int64_t r, int lane, bool is_row) {
      run_row(work, model, r, lane, is_row, loss, probability);
    });
    close_chunk(work.loss, model, loss, scratch);
    close_chunk(work.probability, model, probability, scratch);
  }
}

std::int64_t chunks_of(const CellCrossEntropy& args) { return RowLanes(args.logit.columns).chunks(args.logit.rows); }

std::size_t workspace_of(const Context&, const CellCrossEntropy& args) {
  return loss_workspace(args.loss, args.logit.models, chunks_of(args)) +
         loss_workspace(args.mean_probability, args.logit.models, chunks_of(args));
}

void run_cell_cross_entropy(Context& context, const CellCrossEntropy& args) {
  const std::int64_t models = args.logit.models, rows = args.logit.rows, chunks = chunks_of(args);
  if (models == 0 || rows == 0) return;
  const std::size_t bytes = workspace_of(context, args);
  auto* partial = bytes == 0 ? nullptr : static_cast<double*>(context.scratch(bytes));
  const LossSum loss = {args.loss, args.weight, rows, args.accumulate, partial, models, chunks};
  LossSum probability = {args.mean_probability, 1.0f, rows, args.accumulate, partial, models, chunks};
  if (args.loss && bytes != 0) probability.partial += models * chunks;
  device::LaunchShape shape = loss_shape(loss, loss_layout().bytes());
  shape.waits = true;
  device::launch(context.stream(), "cell_cross_entropy", shape, cell_cross_entropy_kernel,
                 Work{args, loss, probability, RowLanes(args.logit.columns)});
  if (bytes != 0) finish_sums(context, loss, probability, true);
}

}  // namespace

OpEntry<CellCrossEntropy> cell_cross_entropy_entry() { return {run_cell_cross_entropy, workspace_of}; }

}  // namespace cugad::cuda
