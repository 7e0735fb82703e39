#include "kernels/batch_norm/column_block.cuh"
#include "kernels/device/dropout.cuh"
#include "kernels/device/entries.hpp"
#include "kernels/layer_norm/row_block.cuh"

/// Two launches: a block per row, then a block per 16 channels, as those of batch normalisation, whose rows are rows
/// and pixels. The first leaves the statistics of its rows in the workspace.
///
///   x, y, dy [columns] --> statistics; dH, over dy; sums of u, u h^ and of the second derivative's terms --> dx
///   x, dH [rows and pixels, 16] --> sums of dH, dH h^ and signal d h^ --> dshift, dscale
namespace cugad::cuda {
namespace {

struct BackwardArguments {
  LayerNormBackward op;
  RowStatistics* statistics;  ///< [models, rows]
};

/// dH of this thread's columns, in place, and the sums over the row.
__device__ RowSums sum_row(const LayerNormBackward& op, std::int64_t model, std::int64_t r, const RowStatistics& row,
                           double* scratch) {
  const float* x = op.x.model(model).row(r);
  const float* scale = op.scale.model(model).data;
  float* dh = op.dy.model(model).row(r);
  const bool reads_y = op.activation != Activation::identity || op.dropout_rate > 0.0f;
  const float* y = reads_y ? op.y.model(model).row(r) : nullptr;
  const float *tangent = nullptr, *signal = nullptr;
  if (op.tangent) {
    tangent = op.tangent.model(model).row(r);
    signal = op.signal.model(model).row(r);
  }
  RowSums sums = {};
  ChannelWalk walk(op.scale.columns);
  for (std::int64_t c = threadIdx.x; c < op.dy.columns; c += column_partials, walk.next()) {
    const float gain = scale[walk.channel()];
    const float gradient =
        device::activation_gradient(op.activation, op.slope, op.dropout_rate, reads_y ? y[c] : 0.0f, dh[c]);
    dh[c] = gradient;
    const auto normal = static_cast<double>(normalise_member(row.mean, row.inverse_deviation, x[c]));
    const auto u = static_cast<double>(gain * gradient);
    sums.gradient += u;
    sums.product += u * normal;
    if (tangent == nullptr) continue;
    const auto w = static_cast<double>(gain * signal[c]);
    sums.signal += w;
    sums.signal_product += w * normal;
    sums.covariance += w * (static_cast<double>(tangent[c]) - static_cast<double>(row.tangent_mean));
  }
  sums.gradient = row_total(sums.gradient, scratch);
  sums.product = row_total(sums.product, scratch);
  if (tangent == nullptr) return sums;
  sums.signal = row_total(sums.signal, scratch);
  sums.signal_product = row_total(sums.signal_product, scratch);
  sums.covariance = row_total(sums.covariance, scratch);
  return sums;
}

/// dX of this thread's columns.
__device__ void write_gradient(const LayerNormBackward& op, std::int64_t model, std::int64_t r,
                               const RowGradient& gradient) {
  const float *x = op.x.model(model).row(r), *dh = op.dy.model(model).row(r);
  const float* scale = op.scale.model(model).data;
  float* dx = op.dx.model(model).row(r);
  ChannelWalk walk(op.scale.columns);
  for (std::int64_t c = threadIdx.x; c < op.dx.columns; c += column_partials, walk.next()) {
    const float normal = normalise_member(gradient.row.mean, gradient.row.inverse_deviation, x[c]);
    const float gain = scale[walk.channel()];
    float result = input_gradient(gradient, normal, gain * dh[c]);
    if (op.tangent) {
      result += curvature(gradient, normal, op.tangent.model(model).row(r)[c], gain * op.signal.model(model).row(r)[c]);
    }
    dx[c] = result;
  }
}

__global__ void __launch_bounds__(column_partials) layer_norm_rows_kernel(const __grid_constant__ BackwardArguments p) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(column_partials);
  const LayerNormBackward& op = p.op;
  const std::int64_t r = blockIdx.x;
  for (std::int64_t model = blockIdx.z; model < op.dy.models; model += gridDim.z) {
    const float* x = op.x.model(model).row(r);
    RowStatistics row = row_statistics(x, op.dy.columns, op.epsilon, scratch);
    if (op.tangent) add_tangent_statistics(x, op.tangent.model(model).row(r), op.dy.columns, scratch, row);
    const RowSums sums = sum_row(op, model, r, row, scratch);
    write_gradient(op, model, r, row_gradient(row, sums, op.dy.columns));
    if (threadIdx.x == 0) p.statistics[model * op.dy.rows + r] = row;
  }
}

/// Sums of this thread's rows and pixels: of dH, and of dH h^ and signal d h^.
__device__ double2 sum_channel(const BackwardArguments& p, std::int64_t model, const ColumnPlace& place) {
  const LayerNormBackward& op = p.op;
  const std::int64_t channels = op.scale.columns, pixels = op.dy.columns / channels;
  double2 sums = make_double2(0.0, 0.0);
  for (std::int64_t i = place.partial; i < op.dy.rows * pixels; i += row_partials) {
    const std::int64_t r = i / pixels, at = i % pixels * channels + place.column;
    const RowStatistics row = p.statistics[model * op.dy.rows + r];
    const float normal = normalise_member(row.mean, row.inverse_deviation, op.x.model(model).row(r)[at]);
    const auto gradient = static_cast<double>(op.dy.model(model).row(r)[at]);
    sums.x += gradient;
    sums.y += gradient * static_cast<double>(normal);
    if (!op.tangent) continue;
    sums.y += static_cast<double>(op.signal.model(model).row(r)[at]) *
              static_cast<double>(normalised_tangent(row, normal, op.tangent.model(model).row(r)[at]));
  }
  return sums;
}

__global__ void __launch_bounds__(block_threads)
    layer_norm_channels_kernel(const __grid_constant__ BackwardArguments p) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(block_threads);
  const LayerNormBackward& op = p.op;
  const ColumnPlace place(op.scale.columns);
  for (std::int64_t model = blockIdx.z; model < op.dy.models; model += gridDim.z) {
    const double2 sums = place.inside ? sum_channel(p, model, place) : make_double2(0.0, 0.0);
    const double shift = column_total(sums.x, scratch), scale = column_total(sums.y, scratch);
    if (!place.inside || place.partial != 0) continue;
    const auto store = [&](const StackView<float>& out, double sum) {
      if (!out) return;
      float& to = out.model(model).data[place.column];
      to = parameter_gradient(to, sum, op.weight, op.accumulate);
    };
    store(op.dshift, shift);
    store(op.dscale, scale);
  }
}

std::size_t workspace_of(const LayerNormBackward& args) {
  return sizeof(RowStatistics) * static_cast<std::size_t>(args.dy.models * args.dy.rows);
}

void run_layer_norm_backward(Context& context, const LayerNormBackward& args) {
  const std::int64_t models = args.dy.models, rows = args.dy.rows;
  if (models == 0 || args.dy.columns == 0) return;
  BackwardArguments p = {args, nullptr};
  if (rows > 0) {
    p.statistics = static_cast<RowStatistics*>(context.scratch(workspace_of(args)));
    device::launch(context.stream(), "layer_norm_backward", row_shape(models, rows), layer_norm_rows_kernel, p);
  }
  if (!args.dscale && !args.dshift) return;
  device::launch(context.stream(), "sums of layer_norm_backward", column_shape(models, args.scale.columns),
                 layer_norm_channels_kernel, p);
}

}  // namespace

OpEntry<LayerNormBackward> layer_norm_backward_entry() {
  return {run_layer_norm_backward,
          [](const Context&, const LayerNormBackward& args) -> std::size_t { return workspace_of(args); }};
}

}  // namespace cugad::cuda
