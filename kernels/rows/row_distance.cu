#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"

/// Half a warp per row: lane l holds partial sum l, so that the order is that of the CPU (16 interleaved sums, then a
/// tree) and so are the bits. Loads of a half-warp are neighbours in memory.
namespace cugad::cuda {
namespace {

constexpr int partials = 16;
constexpr int block_threads = 256;
constexpr int block_rows = block_threads / partials;
constexpr std::int64_t most_blocks_z = 65535;

/// The sum of a row's terms, in every lane of the half-warp. Products are rounded before they are added. SCALED: each
/// |a - b| is multiplied by its column's scale (null: 1) and clamped to `limit` first.
template <bool SQUARED, bool SCALED>
__device__ float sum_of_terms(const float* a, const float* b, const float* scale, float limit, std::int64_t columns,
                              int lane) {
  float sum = 0.0f;
#pragma unroll 4
  for (std::int64_t c = lane; c < columns; c += partials) {
    float difference = a[c] == a[c] ? fabsf(a[c] - b[c]) : 0.0f;
    if constexpr (SCALED) {
      if (scale != nullptr) difference = difference * scale[c];
      difference = limit < difference ? limit : difference;
    }
    sum = sum + (SQUARED ? difference * difference : difference);
  }
#pragma unroll
  for (int half = partials / 2; half > 0; half /= 2) sum += __shfl_xor_sync(device::full_warp, sum, half);
  return sum;
}

template <bool SQUARED, bool SCALED>
__global__ void __launch_bounds__(block_threads) row_distance_kernel(RowDistance args) {
  const int lane = static_cast<int>(threadIdx.x) % partials;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * block_rows + threadIdx.x / partials;
  const bool inside = row < args.a.rows;
  for (std::int64_t model = blockIdx.z; model < args.a.models; model += gridDim.z) {
    const std::int64_t at = inside ? row : 0;  // lanes without a row take part in the shuffles
    const float limit = args.limit > 0.0f ? args.limit : std::numeric_limits<float>::infinity();
    const float sum =
        sum_of_terms<SQUARED, SCALED>(args.a.model(model).row(at), args.b.model(model).row(at),
                                      args.column_scale.model(model).data, limit, inside ? args.a.columns : 0, lane);
    if (!inside || lane != 0) continue;
    *args.distance.model(model).row(row) = SQUARED && args.metric == Distance::l2 ? sqrtf(sum) : sum;
  }
}

void run_row_distance(Context& context, const RowDistance& args) {
  if (args.a.models == 0 || args.a.rows == 0) return;
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(args.a.rows, block_rows), 1,
                    static_cast<unsigned>(std::min(args.a.models, most_blocks_z)));
  shape.block = dim3(block_threads);
  const bool l1 = args.metric == Distance::l1, scaled = args.column_scale || args.limit > 0.0f;
  const auto kernel = scaled ? l1 ? row_distance_kernel<false, true> : row_distance_kernel<true, true>
                      : l1 ? row_distance_kernel<false, false>
                             : row_distance_kernel<true, false>;
  device::launch(context.stream(), "row_distance", shape, kernel, args);
}

}  // namespace

OpEntry<RowDistance> row_distance_entry() {
  return {run_row_distance, [](const Context&, const RowDistance&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
