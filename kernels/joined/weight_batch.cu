#include "cugad/device.hpp"
#include "kernels/dense/tile_choice.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/joined/row_chain.cuh"

/// The weight gradients of several layers in one launch: block after block belongs to the tiles of one layer after the
/// other. The tiles are dense_backward's, whose bits do not depend on their size.
namespace cugad::cuda {
namespace {

template <class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::resident_blocks)
    weight_batch_kernel(const __grid_constant__ WeightBatch batch) {
  float* const shared = device::SharedMemory().take<float>(product_floats<Tile, Order::k_strided, Order::k_strided>());
  device::wait_for_earlier_work();
  int layer = 0;
  while (layer + 1 < batch.layers && blockIdx.x >= batch.first_block[layer + 1]) ++layer;
  weight_gradient<Tile>(batch.layer[layer], blockIdx.z, blockIdx.x - batch.first_block[layer], shared);
}

/// The width of the gradient; one if only db is computed.
std::int64_t columns_of(const DenseBackward& op) { return op.dweight ? op.dweight.columns : 1; }

}  // namespace

void launch_weight_batch(Context& context, WeightBatch& batch, std::int64_t models) {
  const auto tiles = [&]<class Tile>() {
    std::int64_t count = 0;
    for (int l = 0; l < batch.layers; ++l) {
      const DenseBackward& op = batch.layer[l].op;
      count += models * tile_count<Tile>(op.dy.columns, columns_of(op));
    }
    return count;
  };
  choose_tile(SimtTiles(), context, tiles, [&]<class Tile>() {
    unsigned blocks = 0;
    for (int l = 0; l < batch.layers; ++l) {
      ProductArguments& p = batch.layer[l];
      p.weight_across = device::blocks_for(columns_of(p.op), Tile::columns);
      p.weight_blocks = static_cast<unsigned>(tile_count<Tile>(p.op.dy.columns, columns_of(p.op)));
      batch.first_block[l] = blocks;
      blocks += p.weight_blocks;
    }
    device::LaunchShape shape;
    shape.grid = dim3(blocks, 1, static_cast<unsigned>(models));
    shape.block = dim3(Tile::threads);
    shape.shared_bytes =
        device::SharedLayout().add<float>(product_floats<Tile, Order::k_strided, Order::k_strided>()).bytes();
    shape.waits = true;
    device::launch(context.stream(), "weight gradients of several layers", shape, weight_batch_kernel<Tile>, batch);
  });
}

}  // namespace cugad::cuda
