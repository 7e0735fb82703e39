#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"

/// A block per row, whose threads take neighbouring values of the joined image. Limit: memory.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) join_channels_kernel(JoinChannels args) {
  const std::int64_t r = blockIdx.x;
  const auto first = static_cast<std::int32_t>(args.a.columns / args.pixels);
  const auto channels = static_cast<std::int32_t>(args.y.columns / args.pixels);
  const std::int32_t second = channels - first;
  const std::int64_t step = args.b.columns == second ? 0 : second;  // one pixel for all
  for (std::int64_t model = blockIdx.z; model < args.y.models; model += gridDim.z) {
    const float *a = args.a.model(model).row(r), *b = args.b.model(model).row(r);
    float* y = args.y.model(model).row(r);
    for (std::int64_t i = threadIdx.x; i < args.y.columns; i += blockDim.x) {
      const std::int64_t pixel = i / channels;
      const auto c = static_cast<std::int32_t>(i - pixel * channels);
      if (c < first) {
        y[i] = a[pixel * first + c];
        continue;
      }
      const float value = b[pixel * step + c - first];
      y[i] = args.rectify && !(value > 0.0f) ? 0.0f : value;
    }
  }
}

__global__ void __launch_bounds__(threads) split_channels_kernel(SplitChannels args) {
  const std::int64_t r = blockIdx.x;
  const auto channels = static_cast<std::int32_t>(args.dy.columns / args.pixels);
  const auto first =
      static_cast<std::int32_t>(args.da ? args.da.columns / args.pixels : channels - args.db.columns / args.pixels);
  const std::int32_t second = channels - first;
  for (std::int64_t model = blockIdx.z; model < args.dy.models; model += gridDim.z) {
    const float* dy = args.dy.model(model).row(r);
    for (std::int64_t i = threadIdx.x; i < args.dy.columns; i += blockDim.x) {
      const std::int64_t pixel = i / channels;
      const auto c = static_cast<std::int32_t>(i - pixel * channels);
      if (c < first) {
        if (args.da) args.da.model(model).row(r)[pixel * first + c] = dy[i];
        continue;
      }
      if (!args.db) continue;
      const std::int64_t place = pixel * second + c - first;
      if (!args.rectify || args.b.model(model).row(r)[place] > 0.0f) args.db.model(model).row(r)[place] += dy[i];
    }
  }
}

template <class Args, class Kernel>
void launch_rows(Context& context, const char* name, Kernel kernel, const Args& args,
                 const StackView<const float>& all) {
  if (all.rows == 0 || all.columns == 0 || all.models == 0) return;
  device::LaunchShape shape;
  shape.block = dim3(threads);
  shape.grid = dim3(static_cast<unsigned>(all.rows), 1, device::model_blocks(all.models));
  device::launch(context.stream(), name, shape, kernel, args);
}

void run_join_channels(Context& context, const JoinChannels& args) {
  launch_rows(context, "join_channels", join_channels_kernel, args, args.y);
}
void run_split_channels(Context& context, const SplitChannels& args) {
  launch_rows(context, "split_channels", split_channels_kernel, args, args.dy);
}

}  // namespace

OpEntry<JoinChannels> join_channels_entry() {
  return {run_join_channels, [](const Context&, const JoinChannels&) -> std::size_t { return 0; }};
}

OpEntry<SplitChannels> split_channels_entry() {
  return {run_split_channels, [](const Context&, const SplitChannels&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
