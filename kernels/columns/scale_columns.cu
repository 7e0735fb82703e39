#include <algorithm>
#include <cmath>

#include "kernels/columns/scaled_cell.hpp"
#include "kernels/device/entries.hpp"
#include "kernels/device/limits.hpp"
#include "kernels/device/runtime.cuh"

/// One thread per element, in strides of the whole grid. Each element is read before it is written by the thread that
/// owns it, so y may be x.
namespace cugad::cuda {
namespace {

constexpr int block_threads = 256;
constexpr int blocks_per_multiprocessor = 8;
constexpr std::int64_t most_blocks_z = 65535;

struct Scale {
  ScaleColumns args;
  std::int64_t step_rows, step_columns;  ///< the stride of the grid, so that a thread divides only once
};

__device__ float scaled(float x, double shift, double scale, bool log1p) {
  double value = static_cast<double>(x);
  if (log1p) value = std::copysign(std::log1p(std::abs(value)), value);
  return scaled_cell((value - shift) * scale);
}

__global__ void __launch_bounds__(block_threads) scale_columns_kernel(Scale job) {
  const ScaleColumns& args = job.args;
  const std::int64_t rows = args.x.rows, columns = args.x.columns;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    const MatrixView<const float> x = args.x.model(model);
    const MatrixView<float> y = args.y.model(model);
    const double* shift = args.shift.model(model).data;
    const double* scale = args.scale.model(model).data;
    const std::uint8_t* log1p = args.log1p ? args.log1p.model(model).data : nullptr;
    std::int64_t row = first / columns, column = first % columns;
    while (row < rows) {
      y.row(row)[column] =
          scaled(x.row(row)[column], shift[column], scale[column], log1p != nullptr && log1p[column] != 0);
      row += job.step_rows;
      column += job.step_columns;
      if (column >= columns) {
        column -= columns;
        ++row;
      }
    }
  }
}

void run_scale_columns(Context& context, const ScaleColumns& args) {
  const std::int64_t cells = args.x.rows * args.x.columns;
  if (args.x.models == 0 || cells == 0) return;
  const std::int64_t enough = std::int64_t{blocks_per_multiprocessor} * device_limits(context).multiprocessors;
  const std::int64_t blocks = std::min<std::int64_t>((cells + block_threads - 1) / block_threads, enough);
  const std::int64_t step = blocks * block_threads;
  device::LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(blocks), 1, static_cast<unsigned>(std::min(args.x.models, most_blocks_z)));
  shape.block = dim3(block_threads);
  device::launch(context.stream(), "scale_columns", shape, scale_columns_kernel,
                 Scale{args, step / args.x.columns, step % args.x.columns});
}

}  // namespace

OpEntry<ScaleColumns> scale_columns_entry() {
  return {run_scale_columns, [](const Context&, const ScaleColumns&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
