#include "kernels/device/entries.hpp"
#include "kernels/device/philox.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/random/left_out.hpp"
#include "kernels/random/permutation.hpp"

/// One thread per drawn row: the permutation is stateless, so each finds its own epoch, keys and place.
namespace cugad::cuda {
namespace {

constexpr int threads = 128;

/// The round keys of epoch e are the words 4 e to 4 e + 3 of the stream at step 0.
__device__ Permutation epoch_permutation(RandomKey key, std::int64_t model, std::uint32_t rows, std::uint64_t epoch) {
  key.step = 0;
  key.step_counter = nullptr;
  const uint4 words = device::random_block(key, model, epoch);
  return make_permutation(rows, words.x, words.y, words.z, words.w);
}

__global__ void __launch_bounds__(threads) sample_rows_kernel(SampleRows args) {
  device::wait_for_earlier_work();
  const std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  if (i >= args.index.rows) return;
  const std::uint64_t position =
      std::uint64_t{device::stream_step(args.key)} * static_cast<std::uint64_t>(args.index.rows) +
      static_cast<std::uint64_t>(i);
  for (std::int64_t model = blockIdx.z; model < args.index.models; model += gridDim.z) {
    const std::int32_t first = args.first_row ? *args.first_row.model(model).data : 0;
    const std::int32_t given = args.row_count ? *args.row_count.model(model).data : args.source_rows;
    const std::uint32_t rows = given > 0 ? static_cast<std::uint32_t>(given) : 1;
    const std::uint64_t epoch = position / rows;
    const auto place = static_cast<std::uint32_t>(position - epoch * rows);
    const std::uint32_t drawn = permuted(epoch_permutation(args.key, model, rows, epoch), place);
    *args.index.model(model).row(i) = skip_left_out(args, model, first + static_cast<std::int32_t>(drawn));
  }
}

void run_sample_rows(Context& context, const SampleRows& args) {
  if (args.index.rows == 0 || args.index.models == 0) return;
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(args.index.rows, threads), 1, device::model_blocks(args.index.models));
  shape.block = dim3(threads);
  shape.waits = true;
  device::launch(context.stream(), "sample_rows", shape, sample_rows_kernel, args);
}

}  // namespace

OpEntry<SampleRows> sample_rows_entry() {
  return {run_sample_rows, [](const Context&, const SampleRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
