#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/layer_norm/row_blocks.hpp"

/// Rows in three sweeps: mean, variance, output; of a tangent its means in the place of the variance.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void normalise_row(const LayerNorm& args, std::int64_t model, std::int64_t r) {
  const std::int64_t columns = args.x.columns, channels = args.scale.columns;
  const float* x = args.x.model(model).row(r);
  float* y = args.y.model(model).row(r);
  const RowStatistics row = row_statistics(x, columns, args.epsilon);
  ChannelNumbers scales(args.scale.model(model).data, channels), shifts(args.shift.model(model).data, channels);
  for_row_blocks(columns, [&](std::int64_t first, int block) {
    const float *scale = scales.block(first, block), *shift = shifts.block(first, block);
    float value[column_partials];
    for (int c = 0; c < block; ++c) {
      value[c] = multiply_add(scale[c], normalise_member(row.mean, row.inverse_deviation, x[first + c]), shift[c]);
    }
    for_vectors(block, [&](std::int64_t c, int n) {
      store_some(y + first + c, activate(args.activation, args.slope, load_some(value + c, n)), n);
    });
    if (args.dropout.rate > 0.0f) drop_units(args.dropout, model, r * columns + first, y + first, block);
  });
}

void push_row(const LayerNorm& args, std::int64_t model, std::int64_t r) {
  const std::int64_t columns = args.x.columns;
  const float *x = args.x.model(model).row(r), *tangent = args.tangent.model(model).row(r);
  const float* stored = args.derivative_of.model(model).row(r);
  float* y = args.y.model(model).row(r);
  RowStatistics row = row_statistics(x, columns, args.epsilon);
  add_tangent_statistics(x, tangent, columns, row);
  ChannelNumbers scales(args.scale.model(model).data, args.scale.columns);
  for_row_blocks(columns, [&](std::int64_t first, int block) {
    const float* scale = scales.block(first, block);
    for (int c = 0; c < block; ++c) {
      const float normal = normalise_member(row.mean, row.inverse_deviation, x[first + c]);
      y[first + c] = scale[c] * normalised_tangent(row, normal, tangent[first + c]);
    }
    activation_gradient(args.activation, args.slope, args.dropout.rate, stored + first, y + first, block);
  });
}

void run_layer_norm(Context& context, const LayerNorm& args) {
  if (args.y.columns == 0) return;
  for_rows(context, args.y.models, args.y.rows, args.y.columns, [&](std::int64_t model, std::int64_t r) {
    if (args.tangent) {
      push_row(args, model, r);
    } else {
      normalise_row(args, model, r);
    }
  });
}

}  // namespace

OpEntry<LayerNorm> layer_norm_entry() {
  return {run_layer_norm, [](const Context&, const LayerNorm&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
