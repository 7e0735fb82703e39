#include <cmath>

#include "kernels/device/dropout.cuh"
#include "kernels/device/entries.hpp"
#include "kernels/layer_norm/row_block.cuh"

/// A block keeps to its row for all sweeps, so one launch does everything; the sweeps after the first find the row in
/// the caches.
///
///   x [columns] --> sums in double --> mean --> sums of squares --> inverse deviation --> y [columns]
///                                      tangent --> means of t and h^ t -----------------> y [columns]
namespace cugad::cuda {
namespace {

struct ForwardArguments {
  LayerNorm op;
  std::uint32_t drop_below;  ///< words below this drop their unit
};

__device__ void normalise_row(const ForwardArguments& p, std::int64_t model, std::int64_t r, const RowStatistics& row) {
  const LayerNorm& op = p.op;
  const float* x = op.x.model(model).row(r);
  float* y = op.y.model(model).row(r);
  const float *scale = op.scale.model(model).data, *shift = op.shift.model(model).data;
  ChannelWalk walk(op.scale.columns);
  for (std::int64_t c = threadIdx.x; c < op.x.columns; c += column_partials, walk.next()) {
    const float normal = normalise_member(row.mean, row.inverse_deviation, x[c]);
    float unit =
        device::activate(op.activation, op.slope, multiply_add(scale[walk.channel()], normal, shift[walk.channel()]));
    if (op.dropout.rate > 0.0f) {
      unit = device::drop_unit(op.dropout, p.drop_below, model, static_cast<std::uint64_t>(r * op.x.columns + c), unit);
    }
    y[c] = unit;
  }
}

__device__ void push_row(const LayerNorm& op, std::int64_t model, std::int64_t r, RowStatistics row, double* scratch) {
  const float *x = op.x.model(model).row(r), *tangent = op.tangent.model(model).row(r);
  const float *stored = op.derivative_of.model(model).row(r), *scale = op.scale.model(model).data;
  float* y = op.y.model(model).row(r);
  add_tangent_statistics(x, tangent, op.x.columns, scratch, row);
  ChannelWalk walk(op.scale.columns);
  for (std::int64_t c = threadIdx.x; c < op.x.columns; c += column_partials, walk.next()) {
    const float normal = normalise_member(row.mean, row.inverse_deviation, x[c]);
    y[c] = device::activation_gradient(op.activation, op.slope, op.dropout.rate, stored[c],
                                       scale[walk.channel()] * normalised_tangent(row, normal, tangent[c]));
  }
}

template <bool is_tangent>
__global__ void __launch_bounds__(column_partials) layer_norm_kernel(const __grid_constant__ ForwardArguments p) {
  device::SharedMemory shared;
  double* scratch = shared.take<double>(column_partials);
  const std::int64_t r = blockIdx.x;
  for (std::int64_t model = blockIdx.z; model < p.op.y.models; model += gridDim.z) {
    const RowStatistics row = row_statistics(p.op.x.model(model).row(r), p.op.x.columns, p.op.epsilon, scratch);
    if constexpr (is_tangent) {
      push_row(p.op, model, r, row, scratch);
    } else {
      normalise_row(p, model, r, row);
    }
  }
}

void run_layer_norm(Context& context, const LayerNorm& args) {
  if (args.y.models == 0 || args.y.rows == 0 || args.y.columns == 0) return;
  ForwardArguments p;
  p.op = args;
  p.drop_below = static_cast<std::uint32_t>(std::ceil(static_cast<double>(args.dropout.rate) * 4294967296.0));
  device::launch(context.stream(), "layer_norm", row_shape(args.y.models, args.y.rows),
                 args.tangent ? layer_norm_kernel<true> : layer_norm_kernel<false>, p);
}

}  // namespace

OpEntry<LayerNorm> layer_norm_entry() {
  return {run_layer_norm, [](const Context&, const LayerNorm&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
