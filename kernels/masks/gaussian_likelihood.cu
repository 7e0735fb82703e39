#include "kernels/device/entries.hpp"
#include "kernels/masks/category.hpp"
#include "kernels/masks/gaussian_cell.hpp"
#include "kernels/masks/row_lanes.cuh"
#include "kernels/masks/row_weight.hpp"

/// Two passes over a row: its lanes count the cells, which every gradient is divided by, then each lane writes all that
/// belongs to its columns and keeps its share of the loss. The second pass reads from the cache. A category is a cell
/// of the lane of its first column, by a kernel of its own: columns alone need fewer registers.
namespace cugad::cuda {
namespace {

struct Work {
  GaussianLikelihood args;
  LossSum sum;
  RowLanes lanes;
};

template <bool CATEGORIES>
struct Row {
  const float *statistics, *x, *mask;
  const std::int32_t* group;
  std::int64_t columns;

  __device__ bool counts(std::int64_t c) const { return mask[c] != 0.0f && x[c] == x[c]; }
  __device__ bool begins_cell(std::int64_t c) const { return !CATEGORIES || group[c] == static_cast<std::int32_t>(c); }
  /// The end of the cell that begins at column c; c if none does.
  __device__ std::int64_t end_of(std::int64_t c) const { return CATEGORIES ? cell_end(group, c, columns) : c + 1; }
  __device__ float mean(std::int64_t c) const { return statistics[c]; }
  __device__ float log_variance(std::int64_t c) const { return statistics[columns + c]; }
};

/// The gradient of the cell of column c alone; `own` and `scale` are 0 if the cell does not count.
template <class Row>
__device__ void differentiate(const GaussianLikelihood& args, std::int64_t model, std::int64_t r, std::int64_t c,
                              const Row& row, const CellLikelihood& own, float scale) {
  float dmean = scale * own.mean_slope, dspread = scale * own.spread_slope;
  if (args.dimputed && row.counts(c)) {
    const float dimputed = args.dimputed.model(model).row(r)[c], noise = args.noise.model(model).row(r)[c];
    dmean = dmean + dimputed;
    dspread = multiply_add(dimputed, imputed_slope(row.log_variance(c), noise), dspread);
  }
  float* gradient = args.dstatistics.model(model).row(r);
  gradient[c] = dmean;
  gradient[row.columns + c] = dspread;
}

__device__ void rate(const GaussianLikelihood& args, std::int64_t model, std::int64_t r, std::int64_t c, bool counts,
                     float value) {
  float& cell = args.cell.model(model).row(r)[c];
  const float factor = args.column_weight ? args.column_weight.model(model).data[c] : 1.0f;
  const float other = args.accumulate ? cell : 0.0f;
  cell = counts ? multiply_add(factor, value, other) : other;
}

/// The category in columns [first, end): its gradient and likelihoods. Returns its likelihood, 0 if it does not count.
template <class Row>
__device__ float run_category(const GaussianLikelihood& args, std::int64_t model, std::int64_t r, std::int64_t first,
                              std::int64_t end, const Row& row, float scale) {
  const CategoryCell cell = {row.statistics + first, row.x + first, end - first};
  const bool counts = row.counts(first);
  const float value = counts ? category_likelihood(cell) : 0.0f;
  if (args.dstatistics) {
    float* gradient = args.dstatistics.model(model).row(r);
    for (std::int64_t c = first; c < end; ++c) gradient[c] = gradient[row.columns + c] = 0.0f;
    const float* dimputed = args.dimputed ? args.dimputed.model(model).row(r) + first : nullptr;
    if (counts) differentiate_category(cell, scale, dimputed, gradient + first);
  }
  for (std::int64_t c = first; args.cell && c < end; ++c) rate(args, model, r, c, counts, value);
  return value;
}

/// A lane's columns of a row; its share of the row's loss.
template <bool CATEGORIES>
__device__ double run_row(const Work& work, std::int64_t model, std::int64_t r, int lane, bool is_row) {
  const GaussianLikelihood& args = work.args;
  const Row<CATEGORIES> row = {args.statistics.model(model).row(r), args.x.model(model).row(r),
                               args.mask.model(model).row(r), args.group.model(model).data, args.mask.columns};
  const std::int64_t end = is_row ? row.columns : 0, step = work.lanes.lanes;
  int hidden = 0;
  for (std::int64_t c = lane; c < end; c += step) hidden += row.counts(c) && row.begins_cell(c) ? 1 : 0;
  hidden = work.lanes.sum(hidden);
  const float scale = row_weight(args.weight, args.mask.rows, hidden);
  double loss = 0.0;
  for (std::int64_t c = lane; c < end; c += step) {
    const std::int64_t last = row.end_of(c);
    if (CATEGORIES && last != c + 1) {
      if (last > c) loss += static_cast<double>(run_category(args, model, r, c, last, row, scale));
      continue;
    }
    const bool counts = row.counts(c);
    const CellLikelihood own =
        counts ? cell_likelihood(row.mean(c), row.log_variance(c), row.x[c]) : CellLikelihood{0.0f, 0.0f, 0.0f};
    if (args.dstatistics) differentiate(args, model, r, c, row, own, counts ? scale : 0.0f);
    if (args.cell) rate(args, model, r, c, counts, own.value);
    loss += static_cast<double>(own.value);
  }
  return hidden > 0 && args.loss ? loss / static_cast<double>(hidden) : 0.0;
}

/// Four blocks a multiprocessor, of categories two: aiming at one more, ptxas spills.
template <bool CATEGORIES>
__global__ void __launch_bounds__(loss_threads, CATEGORIES ? 2 : 4) gaussian_likelihood_kernel(Work work) {
  device::wait_for_earlier_work();
  device::SharedMemory shared;
  double* scratch = shared.take<double>(loss_threads / device::warp_lanes);
  for (std::int64_t model = blockIdx.z; model < work.sum.models; model += gridDim.z) {
    double share = 0.0;
    work.lanes.over_rows(work.args.mask.rows, [&](std::int64_t r, int lane, bool is_row) {
      share += run_row<CATEGORIES>(work, model, r, lane, is_row);
    });
    close_chunk(work.sum, model, share, scratch);
  }
}

std::int64_t chunks_of(const GaussianLikelihood& args) { return RowLanes(args.mask.columns).chunks(args.mask.rows); }

void run_gaussian_likelihood(Context& context, const GaussianLikelihood& args) {
  const std::int64_t models = args.mask.models, rows = args.mask.rows;
  if (models == 0 || rows == 0) return;
  const Work work = {
      args, {args.loss, args.weight, rows, false, nullptr, models, chunks_of(args)}, RowLanes(args.mask.columns)};
  launch_loss(context, "gaussian_likelihood",
              args.group ? gaussian_likelihood_kernel<true> : gaussian_likelihood_kernel<false>, work,
              loss_layout().bytes(), true);
}

}  // namespace

OpEntry<GaussianLikelihood> gaussian_likelihood_entry() {
  return {run_gaussian_likelihood, [](const Context&, const GaussianLikelihood& args) -> std::size_t {
            return loss_workspace(args.loss, args.mask.models, chunks_of(args));
          }};
}

}  // namespace cugad::cuda
