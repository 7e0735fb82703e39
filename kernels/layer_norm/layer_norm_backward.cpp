#include "kernels/batch_norm/column_sums.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/layer_norm/row_blocks.hpp"

/// First the rows: statistics, dH and its sums, dX. Then blocks of neighbouring channels, over rows and pixels: dscale
/// and dshift, with the statistics that the rows left in the workspace.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// One row's operands; t and w are null without a second derivative.
struct Row {
  const float *x, *y, *tangent, *signal;
  float *dh, *dx;
};

Row row_of(const LayerNormBackward& args, std::int64_t model, std::int64_t r) {
  return {args.x.model(model).row(r),
          args.y ? args.y.model(model).row(r) : nullptr,
          args.tangent ? args.tangent.model(model).row(r) : nullptr,
          args.signal ? args.signal.model(model).row(r) : nullptr,
          args.dy.model(model).row(r),
          args.dx.model(model).row(r)};
}

/// dH in place, and the sums of its row.
RowGradient sum_row(const LayerNormBackward& args, const Row& row, ChannelNumbers& scales, RowStatistics& statistics) {
  const std::int64_t columns = args.dy.columns;
  statistics = row_statistics(row.x, columns, args.epsilon);
  if (row.tangent != nullptr) add_tangent_statistics(row.x, row.tangent, columns, statistics);
  RowSum gradient, product, signal, signal_product, covariance;
  for_row_blocks(columns, [&](std::int64_t first, int block) {
    const float* scale = scales.block(first, block);
    float* dh = row.dh + first;
    activation_gradient(args.activation, args.slope, args.dropout_rate, row.y == nullptr ? nullptr : row.y + first, dh,
                        block);
    float normal[column_partials];
    for (int c = 0; c < block; ++c) {
      normal[c] = normalise_member(statistics.mean, statistics.inverse_deviation, row.x[first + c]);
    }
    double *sum = gradient.partials(), *products = product.partials();
    for (int c = 0; c < block; ++c) {
      const auto u = static_cast<double>(scale[c] * dh[c]);
      sum[c] += u;
      products[c] += u * static_cast<double>(normal[c]);
    }
    if (row.tangent == nullptr) return;
    double *signals = signal.partials(), *signal_products = signal_product.partials();
    double* covariances = covariance.partials();
    for (int c = 0; c < block; ++c) {
      const auto w = static_cast<double>(scale[c] * row.signal[first + c]);
      signals[c] += w;
      signal_products[c] += w * static_cast<double>(normal[c]);
      covariances[c] +=
          w * (static_cast<double>(row.tangent[first + c]) - static_cast<double>(statistics.tangent_mean));
    }
  });
  return row_gradient(statistics,
                      {gradient.total(), product.total(), signal.total(), signal_product.total(), covariance.total()},
                      columns);
}

void run_row(const LayerNormBackward& args, std::int64_t model, std::int64_t r, RowStatistics& statistics) {
  const Row row = row_of(args, model, r);
  ChannelNumbers scales(args.scale.model(model).data, args.scale.columns);
  const RowGradient gradient = sum_row(args, row, scales, statistics);
  for_row_blocks(args.dy.columns, [&](std::int64_t first, int block) {
    const float* scale = scales.block(first, block);
    const float *x = row.x + first, *dh = row.dh + first;
    float* dx = row.dx + first;
    for (int c = 0; c < block; ++c) {
      const float normal = normalise_member(statistics.mean, statistics.inverse_deviation, x[c]);
      dx[c] = input_gradient(gradient, normal, scale[c] * dh[c]);
    }
    if (row.tangent == nullptr) return;
    const float *tangent = row.tangent + first, *signal = row.signal + first;
    for (int c = 0; c < block; ++c) {
      const float normal = normalise_member(statistics.mean, statistics.inverse_deviation, x[c]);
      dx[c] += curvature(gradient, normal, tangent[c], scale[c] * signal[c]);
    }
  });
}

void store_sum(const LayerNormBackward& args, const StackView<float>& out, std::int64_t model, std::int64_t first,
               int channels, const double* sum) {
  if (!out) return;
  float* at = out.model(model).data + first;
  for (int c = 0; c < channels; ++c) at[c] = parameter_gradient(at[c], sum[c], args.weight, args.accumulate);
}

/// dscale and dshift of neighbouring channels.
void sum_channels(const LayerNormBackward& args, std::int64_t model, std::int64_t first, int channels,
                  const RowStatistics* statistics) {
  const std::int64_t all = args.scale.columns, pixels = args.dy.columns / all;
  ColumnSums shift, scale;
  for (std::int64_t r = 0; r < args.dy.rows; ++r) {
    const Row row = row_of(args, model, r);
    const RowStatistics& of_row = statistics[model * args.dy.rows + r];
    for (std::int64_t p = 0; p < pixels; ++p) {
      const std::int64_t at = p * all + first;
      double *shifts = shift.row(r * pixels + p), *scales = scale.row(r * pixels + p);
      for (int c = 0; c < channels; ++c) {
        const auto gradient = static_cast<double>(row.dh[at + c]);
        shifts[c] += gradient;
        scales[c] +=
            gradient * static_cast<double>(normalise_member(of_row.mean, of_row.inverse_deviation, row.x[at + c]));
      }
      if (row.tangent == nullptr) continue;
      for (int c = 0; c < channels; ++c) {
        const float normal = normalise_member(of_row.mean, of_row.inverse_deviation, row.x[at + c]);
        scales[c] += static_cast<double>(row.signal[at + c]) *
                     static_cast<double>(normalised_tangent(of_row, normal, row.tangent[at + c]));
      }
    }
  }
  double sum[column_block];
  shift.total(sum);
  store_sum(args, args.dshift, model, first, channels, sum);
  scale.total(sum);
  store_sum(args, args.dscale, model, first, channels, sum);
}

std::size_t workspace_of(const LayerNormBackward& args) {
  return sizeof(RowStatistics) * static_cast<std::size_t>(args.dy.models * args.dy.rows);
}

void run_layer_norm_backward(Context& context, const LayerNormBackward& args) {
  const std::int64_t models = args.dy.models, rows = args.dy.rows, columns = args.dy.columns;
  if (columns == 0 || models == 0) return;
  auto* statistics = rows == 0 ? nullptr : static_cast<RowStatistics*>(context.scratch(workspace_of(args)));
  for_rows(context, models, rows, columns,
           [&](std::int64_t model, std::int64_t r) { run_row(args, model, r, statistics[model * rows + r]); });
  if (!args.dscale && !args.dshift) return;
  const std::int64_t channels = args.scale.columns;
  for_column_blocks(
      context, models, rows * (columns / channels), channels,
      [&](std::int64_t model, std::int64_t first, int count) { sum_channels(args, model, first, count, statistics); });
}

}  // namespace

OpEntry<LayerNormBackward> layer_norm_backward_entry() {
  return {run_layer_norm_backward,
          [](const Context&, const LayerNormBackward& args) -> std::size_t { return workspace_of(args); }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
