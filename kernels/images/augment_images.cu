#include "kernels/device/entries.hpp"
#include "kernels/device/philox.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/images/augmentation.hpp"

/// A block per row, whose threads take neighbouring values of the result; every thread draws the row's block of words
/// again. Limit: memory.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) augment_images_kernel(AugmentImages args) {
  device::wait_for_earlier_work();
  const std::int64_t r = blockIdx.x, last = args.source.rows - 1;
  const std::int64_t pixels = std::int64_t{args.image.height} * args.image.width;
  const std::int64_t behind = pixels * args.image.channels, rest = behind + pixels * args.more_channels;
  for (std::int64_t model = blockIdx.z; model < args.out.models; model += gridDim.z) {
    const std::int64_t index = *args.index.model(model).row(r);
    const float* from = args.source.model(model).row(index < 0 ? 0 : index > last ? last : index);
    float* to = args.out.model(model).row(r);
    const uint4 words = device::random_block(args.key, model, static_cast<std::uint64_t>(r));
    const Augmentation how = augmentation_of(args, words.x, words.y, words.z);
    for (std::int64_t c = threadIdx.x; c < args.out.columns; c += blockDim.x) {
      if (c >= rest) {
        to[c] = from[c];
        continue;
      }
      const bool is_second = c >= behind;
      const std::int32_t channels = is_second ? args.more_channels : args.image.channels;
      const auto value = static_cast<std::int32_t>(is_second ? c - behind : c);
      const std::int32_t pixel = value / channels, y = pixel / args.image.width;
      const std::int64_t place = source_pixel(args.image, how, y, pixel - y * args.image.width);
      to[c] = from[(is_second ? behind : 0) + place * channels + (value - pixel * channels)];
    }
  }
}

void run_augment_images(Context& context, const AugmentImages& args) {
  if (args.out.rows == 0 || args.out.columns == 0 || args.out.models == 0 || args.source.rows == 0) return;
  device::LaunchShape shape;
  shape.block = dim3(threads);
  shape.grid = dim3(static_cast<unsigned>(args.out.rows), 1, device::model_blocks(args.out.models));
  shape.waits = true;
  device::launch(context.stream(), "augment_images", shape, augment_images_kernel, args);
}

}  // namespace

OpEntry<AugmentImages> augment_images_entry() {
  return {run_augment_images, [](const Context&, const AugmentImages&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
