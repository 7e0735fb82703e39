#pragma once

#include <type_traits>

#include "cugad/device.hpp"
#include "kernels/dense/simt_tile.cuh"
#include "kernels/dense/tensor_tile.cuh"
#include "kernels/device/limits.hpp"

/// Two tile shapes per precision: one that spreads a batch of 50 over many blocks, one that reads memory seldom.
namespace cugad::cuda {

enum class TileSize { small, large };

template <Precision precision, TileSize size>
struct TileOf;
template <>
struct TileOf<Precision::fp32, TileSize::small> : std::type_identity<SimtTile<32, 32, 4, 4>> {};
template <>
struct TileOf<Precision::fp32, TileSize::large> : std::type_identity<SimtTile<64, 64, 8, 8>> {};
template <Precision precision>
struct TileOf<precision, TileSize::small> : std::type_identity<TensorTile<precision, 64, 32, 16, 32>> {};
template <Precision precision>
struct TileOf<precision, TileSize::large> : std::type_identity<TensorTile<precision, 128, 64, 32, 32>> {};

/// Blocks that cover a rows x columns product.
template <class Tile>
std::int64_t tile_count(std::int64_t rows, std::int64_t columns) {
  return std::int64_t{device::blocks_for(rows, Tile::rows)} * device::blocks_for(columns, Tile::columns);
}

/// Calls with_tile.operator()<Tile>() with the tile to use; blocks.operator()<Tile>() counts the blocks that a Tile
/// gives. Large tiles are taken where they keep every multiprocessor busy and do not hang far over the edges. Results
/// are the same either way.
template <Precision precision, class Blocks, class WithTile>
void choose_tile(const Context& context, const Blocks& blocks, const WithTile& with_tile) {
  using Small = typename TileOf<precision, TileSize::small>::type;
  using Large = typename TileOf<precision, TileSize::large>::type;
  constexpr std::int64_t warps_wanted = 8;  // two for each of a multiprocessor's four schedulers
  const std::int64_t large = blocks.template operator()<Large>(), small = blocks.template operator()<Small>();
  const std::int64_t warps = large * (Large::threads / device::warp_lanes);
  const std::int64_t large_area = large * Large::rows * Large::columns,
                     small_area = small * Small::rows * Small::columns;
  if (warps >= warps_wanted * device_limits(context).multiprocessors && 4 * large_area <= 5 * small_area) {
    with_tile.template operator()<Large>();
  } else {
    with_tile.template operator()<Small>();
  }
}

/// The same for the precision of a context.
template <class Blocks, class WithTile>
void choose_tile(const Context& context, const Blocks& blocks, const WithTile& with_tile) {
  switch (context.precision()) {
    case Precision::fp32:
      return choose_tile<Precision::fp32>(context, blocks, with_tile);
    case Precision::tf32:
      return choose_tile<Precision::tf32>(context, blocks, with_tile);
    case Precision::bf16:
      return choose_tile<Precision::bf16>(context, blocks, with_tile);
  }
}

}  // namespace cugad::cuda
