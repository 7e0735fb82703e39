#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/rows/content_hash.hpp"

/// One thread per row, models on grid.z: the hash is a chain over the row.
namespace cugad::cuda {
namespace {

constexpr unsigned block_threads = 128;

__global__ void content_index_kernel(ContentIndex args) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row >= args.x.rows) return;
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    const std::uint32_t hash = content_hash(args.x.model(model).row(row), args.x.columns);
    for (std::int32_t k = 0; k < args.draws; ++k) {
      *args.index.model(model).row(row * args.draws + k) = content_position(hash, k, args.pool);
    }
  }
}

void run_content_index(Context& context, const ContentIndex& args) {
  if (args.x.models == 0 || args.x.rows == 0) return;
  device::launch(context.stream(), "content_index",
                 {.grid = dim3(device::blocks_for(args.x.rows, block_threads), 1, device::model_blocks(args.x.models)),
                  .block = dim3(block_threads)},
                 content_index_kernel, args);
}

}  // namespace

OpEntry<ContentIndex> content_index_entry() {
  return {run_content_index, [](const Context&, const ContentIndex&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
