#include "kernels/batch_norm/column_block.cuh"
#include "kernels/device/dropout.cuh"
#include "kernels/device/entries.hpp"

/// The blocks of the forward pass: one launch sweeps over the rows twice.
///
///   x, y, dy [rows, 16] --> dH, over dy; sums of dH and dH h^ --> dscale, dshift --> dx [rows, 16]
namespace cugad::cuda {
namespace {

/// Of one thread, later of a column: sums of dH and of dH h^, over all rows and as a row of the statistics sees them.
struct Sums {
  double shift = 0.0, scale = 0.0, carried_shift = 0.0, carried_scale = 0.0;
};

/// dH of this thread's rows, in place, and its sums.
__device__ Sums sum_gradients(const BatchNormBackward& op, std::int64_t model, const ColumnPlace& place,
                              std::int64_t members, const NormalisedColumn& column) {
  const MatrixView<const float> x = op.x.model(model), y = op.y.model(model);
  const MatrixView<float> dy = op.dy.model(model);
  const bool reads_y = op.activation != Activation::identity || op.dropout_rate > 0.0f;
  Sums sums;
  for (std::int64_t r = place.partial; r < dy.rows; r += row_partials) {
    float& at = dy.row(r)[place.column];
    const float stored = reads_y ? y.row(r)[place.column] : 0.0f;
    at = device::activation_gradient(op.activation, op.slope, op.dropout_rate, stored, at);
    const auto gradient = static_cast<double>(at);
    const float value = x.row(r)[place.column];
    sums.shift += gradient;
    if (r < members) {
      const double product =
          gradient * static_cast<double>(normalise_member(column.mean, column.inverse_deviation, value));
      sums.scale += product;
      sums.carried_shift += gradient;
      sums.carried_scale += product;
    } else {
      const VirtualRow row = normalise_virtual(column, value);
      sums.scale += gradient * static_cast<double>(row.value);
      sums.carried_shift += gradient * through_mean(column, virtual_slope(column, row));
      sums.carried_scale += gradient * through_variance(column, row);
    }
  }
  return sums;
}

__device__ void store_sum(const StackView<float>& out, std::int64_t model, std::int64_t column, double sum,
                          bool accumulate) {
  if (!out) return;
  float& at = out.model(model).data[column];
  at = static_cast<float>(accumulate ? static_cast<double>(at) + sum : sum);
}

/// dX of this thread's rows, from the column's sums.
__device__ void input_gradient(const BatchNormBackward& op, std::int64_t model, const ColumnPlace& place,
                               std::int64_t members, const NormalisedColumn& column, const Sums& sums) {
  const MatrixView<const float> x = op.x.model(model);
  const MatrixView<float> dh = op.dy.model(model), dx = op.dx.model(model);
  const float scale = op.scale.model(model).data[place.column];
  const auto mean_gradient = static_cast<float>(sums.carried_shift / static_cast<double>(members));
  const auto mean_product = static_cast<float>(sums.carried_scale / static_cast<double>(members));
  const float factor = scale * column.inverse_deviation;
  for (std::int64_t r = place.partial; r < dx.rows; r += row_partials) {
    const float value = x.row(r)[place.column], gradient = dh.row(r)[place.column];
    float result;
    if (r < members) {
      const float normal = normalise_member(column.mean, column.inverse_deviation, value);
      result = factor * multiply_add(-normal, mean_product, gradient - mean_gradient);
    } else {
      result = scale * gradient * virtual_slope(column, normalise_virtual(column, value));
    }
    dx.row(r)[place.column] = result;
  }
}

__global__ void __launch_bounds__(block_threads)
    batch_norm_backward_kernel(const __grid_constant__ BatchNormBackward op) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(block_threads);
  const ColumnPlace place(op.dy.columns);
  const std::int64_t members = statistics_rows(op.dy.rows, op.reference_rows);
  for (std::int64_t model = blockIdx.z; model < op.dy.models; model += gridDim.z) {
    NormalisedColumn column = {};
    Sums sums;
    if (place.inside) {
      column = normalised_column(op.mean.model(model).data[place.column],
                                 op.inverse_deviation.model(model).data[place.column], op.epsilon, op.reference_rows);
      sums = sum_gradients(op, model, place, members, column);
    }
    sums.shift = column_total(sums.shift, scratch);
    sums.scale = column_total(sums.scale, scratch);
    sums.carried_shift = column_total(sums.carried_shift, scratch);
    sums.carried_scale = column_total(sums.carried_scale, scratch);
    if (!place.inside) continue;
    if (place.partial == 0) {
      store_sum(op.dshift, model, place.column, sums.shift, op.accumulate);
      store_sum(op.dscale, model, place.column, sums.scale, op.accumulate);
    }
    input_gradient(op, model, place, members, column, sums);
  }
}

void run_batch_norm_backward(Context& context, const BatchNormBackward& args) {
  if (args.dy.models == 0 || args.dy.columns == 0) return;
  device::launch(context.stream(), "batch_norm_backward", column_shape(args.dy.models, args.dy.columns),
                 batch_norm_backward_kernel, args);
}

}  // namespace

OpEntry<BatchNormBackward> batch_norm_backward_entry() {
  return {run_batch_norm_backward, [](const Context&, const BatchNormBackward&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
