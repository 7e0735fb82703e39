#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/masks/category.hpp"
#include "kernels/masks/gaussian_cell.hpp"

/// A group of neighbouring lanes per row, as wide as the row asks for. Nothing is read of a Gaussian whose cell is
/// visible. The lane of a category's first column writes all of it, by a kernel of its own: columns alone need half the
/// registers.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

/// Imputes the category that begins at column c. False if the column is a cell of its own.
__device__ bool impute_category(const std::int32_t* group, const float* statistics, const float* x, std::int64_t c,
                                std::int64_t columns, float* out) {
  const std::int64_t end = cell_end(group, c, columns);
  if (end == c + 1) return false;
  if (end == c) return true;  // the lane of the first column writes it
  const CategoryCell cell = {statistics + c, x + c, end - c};
  put_probabilities(cell, out + c);
  return true;
}

template <bool CATEGORIES>
__global__ void __launch_bounds__(threads) gaussian_imputation_kernel(GaussianImputation args) {
  device::wait_for_earlier_work();
  const std::int64_t r = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (r >= args.x.rows) return;
  const std::int64_t k = args.mask.columns;
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    const float *statistics = args.statistics.model(model).row(r), *x = args.x.model(model).row(r),
                *mask = args.mask.model(model).row(r), *noise = args.noise.model(model).row(r);
    const std::int32_t* group = args.group.model(model).data;
    float* out = args.out.model(model).row(r);
#pragma unroll(CATEGORIES ? 1 : 4)
    for (std::int64_t c = threadIdx.x; c < args.x.columns; c += blockDim.x) {
      const bool is_given = x[c] == x[c], is_hidden = is_given && c < k && mask[c] != 0.0f;
      if (CATEGORIES && is_hidden && impute_category(group, statistics, x, c, k, out)) continue;
      const float given = is_given ? x[c] : 0.0f;
      out[c] = is_hidden ? multiply_add(imputed_deviation(statistics[k + c]), noise[c], statistics[c]) : given;
    }
  }
}

void run_gaussian_imputation(Context& context, const GaussianImputation& args) {
  if (args.x.rows == 0 || args.x.columns == 0 || args.x.models == 0) return;
  unsigned lanes = 1;
  while (lanes < device::warp_lanes && lanes < args.x.columns) lanes *= 2;
  device::LaunchShape shape;
  shape.block = dim3(lanes, threads / lanes);
  shape.grid = dim3(device::blocks_for(args.x.rows, shape.block.y), 1, device::model_blocks(args.x.models));
  shape.waits = true;
  device::launch(context.stream(), "gaussian_imputation", shape,
                 args.group ? gaussian_imputation_kernel<true> : gaussian_imputation_kernel<false>, args);
}

}  // namespace

OpEntry<GaussianImputation> gaussian_imputation_entry() {
  return {run_gaussian_imputation, [](const Context&, const GaussianImputation&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
