#include <cmath>

#include "kernels/batch_norm/column_block.cuh"
#include "kernels/device/dropout.cuh"
#include "kernels/device/entries.hpp"

/// A block keeps to its columns for all three sweeps over the rows, so one launch does everything: mean, variance, and
/// output with activation and dropout. The sweeps after the first find their rows in the caches.
///
///   x [rows, 16] --> sums in double --> mean --> sums of squares --> inverse deviation --> y [rows, 16]
namespace cugad::cuda {
namespace {

struct ForwardArguments {
  BatchNorm op;
  std::uint32_t drop_below;  ///< words below this drop their unit
};

/// Mean and variance of a column over the rows of the statistics, in every thread of the column.
__device__ double2 column_moments(const MatrixView<const float>& x, std::int64_t rows, const ColumnPlace& place,
                                  double* scratch) {
  double sum = 0.0;
  if (place.inside) {
#pragma unroll 4
    for (std::int64_t r = place.partial; r < rows; r += row_partials) {
      sum += static_cast<double>(x.row(r)[place.column]);
    }
  }
  const double mean = column_total(sum, scratch) / static_cast<double>(rows);
  sum = 0.0;
  if (place.inside) {
#pragma unroll 4
    for (std::int64_t r = place.partial; r < rows; r += row_partials) {
      const double difference = static_cast<double>(x.row(r)[place.column]) - mean;
      sum += difference * difference;
    }
  }
  return make_double2(mean, column_total(sum, scratch) / static_cast<double>(rows));
}

/// The op's statistics of a column, written by one thread.
__device__ void store_statistics(const BatchNorm& op, std::int64_t model, std::int64_t column, const double2& moments,
                                 const NormalisedColumn& normalised) {
  op.mean.model(model).data[column] = normalised.mean;
  op.inverse_deviation.model(model).data[column] = normalised.inverse_deviation;
  if (op.moving_mean) {
    float& moving = op.moving_mean.model(model).data[column];
    moving = moving_statistic(moving, moments.x, op.momentum);
  }
  if (op.moving_variance) {
    float& moving = op.moving_variance.model(model).data[column];
    moving = moving_statistic(moving, moments.y, op.momentum);
  }
}

__device__ void normalise_rows(const ForwardArguments& p, std::int64_t model, const ColumnPlace& place,
                               const NormalisedColumn& normalised) {
  const MatrixView<const float> x = p.op.x.model(model);
  const MatrixView<float> y = p.op.y.model(model);
  const std::int64_t members = statistics_rows(x.rows, p.op.reference_rows);
  const float scale = p.op.scale.model(model).data[place.column], shift = p.op.shift.model(model).data[place.column];
  for (std::int64_t r = place.partial; r < x.rows; r += row_partials) {
    const float value = x.row(r)[place.column];
    const float normal = r < members ? normalise_member(normalised.mean, normalised.inverse_deviation, value)
                                     : normalise_virtual(normalised, value).value;
    float unit = device::activate(p.op.activation, p.op.slope, multiply_add(scale, normal, shift));
    if (p.op.dropout.rate > 0.0f) {
      const auto word = static_cast<std::uint64_t>(r * x.columns + place.column);
      unit = device::drop_unit(p.op.dropout, p.drop_below, model, word, unit);
    }
    y.row(r)[place.column] = unit;
  }
}

__global__ void __launch_bounds__(block_threads) batch_norm_kernel(const __grid_constant__ ForwardArguments p) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(block_threads);
  const ColumnPlace place(p.op.y.columns);
  const std::int64_t rows = statistics_rows(p.op.y.rows, p.op.reference_rows);
  for (std::int64_t model = blockIdx.z; model < p.op.y.models; model += gridDim.z) {
    const double2 moments = column_moments(p.op.x.model(model), rows, place, scratch);
    if (!place.inside) continue;
    const NormalisedColumn normalised =
        normalised_column(static_cast<float>(moments.x), inverse_deviation_of(moments.y, p.op.epsilon), p.op.epsilon,
                          p.op.reference_rows);
    if (place.partial == 0) store_statistics(p.op, model, place.column, moments, normalised);
    normalise_rows(p, model, place, normalised);
  }
}

void run_batch_norm(Context& context, const BatchNorm& args) {
  if (args.y.models == 0 || args.y.columns == 0) return;
  ForwardArguments p;
  p.op = args;
  p.drop_below = static_cast<std::uint32_t>(std::ceil(static_cast<double>(args.dropout.rate) * 4294967296.0));
  device::launch(context.stream(), "batch_norm", column_shape(args.y.models, args.y.columns), batch_norm_kernel, p);
}

}  // namespace

OpEntry<BatchNorm> batch_norm_entry() {
  return {run_batch_norm, [](const Context&, const BatchNorm&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
