#pragma once

#include <algorithm>
#include <type_traits>

#include "cugad/device.hpp"
#include "kernels/dense/simt_tile.cuh"
#include "kernels/dense/tensor_product.cuh"
#include "kernels/device/limits.hpp"

/// Which tile computes a product. Results are the same with each of a precision.
namespace cugad::cuda {

/// Tiles of decreasing size: few large ones read memory rarely, many small ones spread a batch of 50 over the chip. The
/// smallest of fp32 has 128 k per stage: most layers are loaded at once, with one barrier or two.
template <class... Tiles>
struct TileList {};
using SimtTiles = TileList<SimtTile<64, 64, 8, 8>, SimtTile<32, 32, 4, 4>, SimtTile<16, 32, 2, 2, 128>>;
template <Precision precision>
using TensorTiles = TileList<TensorTile<precision, 128, 128, 64, 64>, TensorTile<precision, 64, 64, 32, 32>>;

/// Layers of at most so many outputs (every logit) would leave the lanes of all these tiles idle. They have tiles of
/// their own, and stay in float32 in every precision: such a layer is bound by the bytes of its input.
constexpr std::int64_t narrow_outputs = 4;
using NarrowForwardTile = SimtTile<32, narrow_outputs, 1, 1, 64>;
using NarrowInputTile = SimtTile<32, 64, 4, 4, narrow_outputs>;
using NarrowWeightTile = SimtTile<narrow_outputs, 128, 4, 1, 32>;

/// Blocks that cover a rows x columns product.
template <class Tile>
std::int64_t tile_count(std::int64_t rows, std::int64_t columns) {
  return std::int64_t{device::blocks_for(rows, Tile::rows)} * device::blocks_for(columns, Tile::columns);
}

/// Calls with_tile.operator()<Tile>() with the first tile of the list that keeps every multiprocessor busy and does not
/// hang far over the edges, or with the last; blocks.operator()<Tile>() counts the blocks that a Tile gives.
template <class Tile, class... Smaller, class Blocks, class WithTile>
void choose_tile(TileList<Tile, Smaller...>, const Context& context, const Blocks& blocks, const WithTile& with_tile) {
  if constexpr (sizeof...(Smaller) == 0) {
    with_tile.template operator()<Tile>();
  } else {
    const auto area = [&]<class One>(std::type_identity<One>) {
      return blocks.template operator()<One>() * One::rows * One::columns;
    };
    constexpr std::int64_t warps_wanted = 8;  // two for each of a multiprocessor's four schedulers
    const std::int64_t warps = blocks.template operator()<Tile>() * (Tile::threads / device::warp_lanes);
    const bool busy = warps >= warps_wanted * device_limits(context).multiprocessors;
    const std::int64_t least_area = std::min({area(std::type_identity<Smaller>())...});
    if (busy && 4 * area(std::type_identity<Tile>()) <= 5 * least_area) {
      with_tile.template operator()<Tile>();
    } else {
      choose_tile(TileList<Smaller...>(), context, blocks, with_tile);
    }
  }
}

/// The same for the precision of a context.
template <class Blocks, class WithTile>
void choose_tile(const Context& context, const Blocks& blocks, const WithTile& with_tile) {
  switch (context.precision()) {
    case Precision::fp32:
      return choose_tile(SimtTiles(), context, blocks, with_tile);
    case Precision::tf32:
      return choose_tile(TensorTiles<Precision::tf32>(), context, blocks, with_tile);
    case Precision::bf16:
      return choose_tile(TensorTiles<Precision::bf16>(), context, blocks, with_tile);
  }
}

}  // namespace cugad::cuda
