#include <algorithm>
#include <cmath>

#include "kernels/device/entries.hpp"
#include "kernels/device/limits.hpp"
#include "kernels/nearest_rows/distance_tile.cuh"
#include "kernels/nearest_rows/search.cuh"

/// k nearest rows. A block owns a few queries and walks over its part of the bank in tiles of distances. For k = 1 each
/// thread keeps its smallest distance, and a reduction follows at the end; for more, one warp per query reads the tile
/// from shared memory and inserts distances below the last of its list. Few queries: the bank is split among blocks
/// (grid.y), whose lists a second kernel merges. Large banks are first filtered on tensor cores (nearest_filter.cu);
/// these kernels then serve the blocks that gave up.
namespace cugad::cuda {
namespace {

constexpr int few_queries = 16;
constexpr int warps = tile_threads / device::warp_lanes;

/// The smallest key that each of the block's queries has seen in one of its threads.
template <class Tile>
__device__ void write_smallest(const Search& search, std::int64_t model, std::int64_t first_row,
                               NeighbourKey (&best)[4], NeighbourKey* found) {
  constexpr int lanes = 16, groups = Tile::bank_threads / lanes;
  const int bank_thread = static_cast<int>(threadIdx.x) % Tile::bank_threads;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int offset = lanes / 2; offset > 0; offset /= 2) {
      const NeighbourKey other = __shfl_xor_sync(device::full_warp, best[i], offset);
      best[i] = other < best[i] ? other : best[i];
    }
    if (bank_thread % lanes == 0) found[(Tile::first_query() + i) * groups + bank_thread / lanes] = best[i];
  }
  __syncthreads();
  const int query = static_cast<int>(threadIdx.x);
  if (query < Tile::queries) {
    NeighbourKey smallest = found[query * groups];
    for (int g = 1; g < groups; ++g) {
      smallest = found[query * groups + g] < smallest ? found[query * groups + g] : smallest;
    }
    write_result(search, model, first_row + query, 0, smallest);
  }
}

/// k = 1.
template <int QUERIES, bool ABSOLUTE>
__global__ void __launch_bounds__(tile_threads, 2) nearest_row_kernel(Search search) {
  using Tile = DistanceTile<QUERIES>;
  device::SharedMemory shared;
  const Tile tile(shared);
  NeighbourKey* found = shared.take<NeighbourKey>(Tile::queries * Tile::bank_threads / 16);
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * Tile::queries;
  const Part part(search, Tile::bank);
  for (std::int64_t model = blockIdx.z; model < search.args.query.models; model += gridDim.z) {
    if (!search.is_open(model)) continue;
    if (threadIdx.x == 0) *tile.missing = 0;
    __syncthreads();
    NeighbourKey best[4] = {no_neighbour, no_neighbour, no_neighbour, no_neighbour};
    for (std::int64_t first = part.begin; first < part.end; first += Tile::bank) {
      float sum[4][4];
      tile.template distances<ABSOLUTE>(search.args.query.model(model), first_row, search.args.bank.model(model), first,
                                        search.args.skip_missing, sum);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const std::int64_t row = first + Tile::first_bank() + j;
        if (row >= part.end) continue;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const NeighbourKey key = neighbour_key(sum[i][j], row);
          best[i] = key < best[i] ? key : best[i];
        }
      }
    }
    write_smallest<Tile>(search, model, first_row, best, found);
    __syncthreads();
  }
}

template <class Tile>
constexpr int score_stride = Tile::bank + 4;

/// k = 2 to 64.
template <int QUERIES, bool ABSOLUTE>
__global__ void __launch_bounds__(tile_threads, 3) nearest_rows_kernel(Search search) {
  using Tile = DistanceTile<QUERIES>;
  device::SharedMemory shared;
  const Tile tile(shared);
  float* scores = shared.take<float>(Tile::queries * score_stride<Tile>);
  const int k = search.args.neighbours;
  NeighbourKey* lists = shared.take<NeighbourKey>(static_cast<std::size_t>(Tile::queries * k));
  const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  NeighbourKey* staged = shared.take<NeighbourKey>(tile_threads) + warp * device::warp_lanes;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * Tile::queries;
  const Part part(search, Tile::bank);
  for (std::int64_t model = blockIdx.z; model < search.args.query.models; model += gridDim.z) {
    if (!search.is_open(model)) continue;
    if (threadIdx.x == 0) *tile.missing = 0;
    for (int i = static_cast<int>(threadIdx.x); i < Tile::queries * k; i += tile_threads) lists[i] = no_neighbour;
    __syncthreads();
    for (std::int64_t first = part.begin; first < part.end; first += Tile::bank) {
      float sum[4][4];
      tile.template distances<ABSOLUTE>(search.args.query.model(model), first_row, search.args.bank.model(model), first,
                                        search.args.skip_missing, sum);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float* to = scores + (Tile::first_query() + i) * score_stride<Tile> + Tile::first_bank();
        *reinterpret_cast<float4*>(to) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
      }
      __syncthreads();
      const int inside = static_cast<int>(part.end - first < Tile::bank ? part.end - first : Tile::bank);
      for (int q = warp; q < Tile::queries && first_row + q < search.args.query.rows; q += warps) {
        const float* score = scores + q * score_stride<Tile>;
        for (int b = lane; b - lane < inside; b += device::warp_lanes) {
          const NeighbourKey key = b < inside ? neighbour_key(score[b], first + b) : no_neighbour;
          offer(lists + q * k, k, staged, key, lane);
        }
      }
      __syncthreads();
    }
    for (int i = static_cast<int>(threadIdx.x); i < Tile::queries * k; i += tile_threads) {
      write_result(search, model, first_row + i / k, i % k, lists[i]);
    }
    __syncthreads();
  }
}

/// One warp per query: the lists of all splits into one.
__global__ void __launch_bounds__(tile_threads) merge_kernel(Search search) {
  device::SharedMemory shared;
  const int k = search.args.neighbours;
  const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  NeighbourKey* list = shared.take<NeighbourKey>(static_cast<std::size_t>(warps * k)) + warp * k;
  NeighbourKey* staged = shared.take<NeighbourKey>(tile_threads) + warp * device::warp_lanes;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps + warp, keys = std::int64_t{search.splits} * k;
  if (row >= search.args.query.rows) return;  // whole warps, and the block has no barrier
  for (std::int64_t model = blockIdx.z; model < search.args.query.models; model += gridDim.z) {
    for (int i = lane; i < k; i += device::warp_lanes) list[i] = no_neighbour;
    __syncwarp();
    const NeighbourKey* partial = search.partial + (model * search.args.query.rows + row) * keys;
    for (std::int64_t first = 0; first < keys; first += device::warp_lanes) {
      offer(list, k, staged, first + lane < keys ? partial[first + lane] : no_neighbour, lane);
    }
    for (int i = lane; i < k; i += device::warp_lanes) write_neighbour(search.args, model, row, i, list[i]);
    __syncwarp();
  }
}

template <int QUERIES>
struct Launcher {
  using Tile = DistanceTile<QUERIES>;

  /// Splits the bank until the chip is full, but gives each block some tiles.
  static Search plan(const Context& context, const NearestSearch& args, void* scratch) {
    const std::int64_t tiles = (args.bank.rows + Tile::bank - 1) / Tile::bank;
    const std::int64_t blocks = query_tiles(args, Tile::queries) * args.query.models;
    const std::int64_t wanted = 4 * std::int64_t{device_limits(context).multiprocessors} / blocks;
    const std::int64_t least = filter_pays(context, args) ? least_filter_tiles : 2;
    const std::int64_t splits = std::max<std::int64_t>(1, std::min(wanted, tiles / least));
    Search search = {args, (tiles + splits - 1) / splits, 1, static_cast<NeighbourKey*>(scratch), nullptr};
    search.splits = static_cast<int>((tiles + search.tiles_per_split - 1) / search.tiles_per_split);
    return search;
  }
  static void run(Context& context, const Search& search) {
    const bool one = search.args.neighbours == 1, absolute = search.args.metric == Distance::l1;
    device::SharedLayout layout;
    Tile::add_to(layout);
    if (one) {
      layout.add<NeighbourKey>(Tile::queries * Tile::bank_threads / 16);
    } else {
      layout.add<float>(Tile::queries * score_stride<Tile>);
      layout.add<NeighbourKey>(static_cast<std::size_t>(Tile::queries * search.args.neighbours));
      layout.add<NeighbourKey>(tile_threads);
    }
    const auto kernel = one ? (absolute ? nearest_row_kernel<QUERIES, true> : nearest_row_kernel<QUERIES, false>)
                            : (absolute ? nearest_rows_kernel<QUERIES, true> : nearest_rows_kernel<QUERIES, false>);
    device::LaunchShape shape;
    shape.grid =
        dim3(static_cast<unsigned>(query_tiles(search.args, Tile::queries)), static_cast<unsigned>(search.splits),
             static_cast<unsigned>(std::min(search.args.query.models, device::max_grid_z)));
    shape.block = dim3(tile_threads);
    shape.shared_bytes = layout.bytes();
    device::launch(context.stream(), "nearest_rows", shape, kernel, search);
  }
};

Search plan(const Context& context, const NearestSearch& args, void* scratch) {
  return args.query.rows < many_queries ? Launcher<few_queries>::plan(context, args, scratch)
                                        : Launcher<many_queries>::plan(context, args, scratch);
}

std::size_t partial_bytes(const Search& search) {
  if (search.splits == 1) return 0;
  return sizeof(NeighbourKey) * static_cast<std::size_t>(search.args.query.models * search.args.query.rows) *
         static_cast<std::size_t>(search.splits) * static_cast<std::size_t>(search.args.neighbours);
}

void merge(Context& context, const Search& search) {
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(search.args.query.rows, warps), 1,
                    static_cast<unsigned>(std::min(search.args.query.models, device::max_grid_z)));
  shape.block = dim3(tile_threads);
  const auto keys = static_cast<std::size_t>(warps * search.args.neighbours);
  shape.shared_bytes = device::SharedLayout().add<NeighbourKey>(keys).add<NeighbourKey>(tile_threads).bytes();
  device::launch(context.stream(), "nearest_rows merge", shape, merge_kernel, search);
}

NearestSearch search_of(const NearestRows& args) {
  return {args.query, args.bank, args.neighbours, args.metric, true, args.distance, args.index};
}

std::size_t workspace_bytes(const Context& context, const NearestRows& args) {
  return nearest_scratch(context, search_of(args));
}

void run_nearest_rows(Context& context, const NearestRows& args) {
  find_nearest(context, search_of(args), context.scratch(workspace_bytes(context, args)));
}

}  // namespace

std::size_t nearest_scratch(const Context& context, const NearestSearch& args) {
  if (args.query.models == 0 || args.query.rows == 0) return 0;
  const Search search = plan(context, args, nullptr);
  return partial_bytes(search) + (filter_pays(context, args) ? filter_scratch(search) : 0);
}

void find_nearest(Context& context, const NearestSearch& args, void* scratch) {
  if (args.query.models == 0 || args.query.rows == 0) return;
  Search search = plan(context, args, scratch);
  if (filter_pays(context, args))
    run_filter(context, search, static_cast<unsigned char*>(scratch) + partial_bytes(search));
  if (args.query.rows < many_queries) {
    Launcher<few_queries>::run(context, search);
  } else {
    Launcher<many_queries>::run(context, search);
  }
  if (search.splits > 1) merge(context, search);
}

OpEntry<NearestRows> nearest_rows_entry() { return {run_nearest_rows, workspace_bytes}; }

}  // namespace cugad::cuda
