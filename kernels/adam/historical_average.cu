#include <algorithm>

#include "kernels/adam/history.hpp"
#include "kernels/device/entries.hpp"
#include "kernels/device/limits.hpp"
#include "kernels/device/runtime.cuh"

/// One pass over flat buffers, all models in one launch. Limit: memory, 20 bytes per element. Blocks stay and step over
/// the elements of a model, so that the step is computed once per thread.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;
constexpr int blocks_per_multiprocessor = 8;

__global__ void __launch_bounds__(threads) historical_average_kernel(HistoricalAverage args) {
  const HistoryConstants constants = history_constants(args);
  const std::int64_t first = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  for (std::int64_t model = blockIdx.z; model < args.parameter.models; model += gridDim.z) {
    if (args.model_scale && *args.model_scale.model(model).data == 0.0f) continue;
    const float* parameter = args.parameter.model(model).data;
    float *mean = args.mean.model(model).data, *gradient = args.gradient.model(model).data;
    for (std::int64_t i = first; i < args.parameter.columns; i += std::int64_t{gridDim.x} * threads) {
      const float average = history_mean(constants, mean[i], parameter[i]);
      mean[i] = average;
      gradient[i] = multiply_add(constants.pull, parameter[i] - average, gradient[i]);
    }
  }
}

void run_historical_average(Context& context, const HistoricalAverage& args) {
  const std::int64_t models = args.parameter.models, n = args.parameter.columns;
  if (models == 0 || n == 0) return;
  const std::int64_t resident = std::int64_t{blocks_per_multiprocessor} * device_limits(context).multiprocessors;
  const std::int64_t blocks = device::blocks_for(n, threads);
  device::LaunchShape shape;
  shape.grid =
      dim3(static_cast<unsigned>(std::min(blocks, (resident + models - 1) / models)), 1, device::model_blocks(models));
  shape.block = dim3(threads);
  device::launch(context.stream(), "historical_average", shape, historical_average_kernel, args);
}

}  // namespace

OpEntry<HistoricalAverage> historical_average_entry() {
  return {run_historical_average, [](const Context&, const HistoricalAverage&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
