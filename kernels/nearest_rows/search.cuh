#pragma once

#include "kernels/nearest_rows/nearest.hpp"
#include "kernels/nearest_rows/selection.cuh"

/// The parts shared by the two searches for nearest rows: the split of the bank, and the destination of results.
namespace cugad::cuda {

struct Search {
  NearestSearch args;
  std::int64_t tiles_per_split;
  int splits;
  NeighbourKey* partial;  ///< [models][rows][splits][k]; not used if splits is 1
  /// Of each block that searched through the filter, whether it gave up: [models][query tiles][splits]; null: none did.
  int* gave_up;

  __device__ int& gave_up_here(std::int64_t model) const {
    return gave_up[(model * gridDim.x + blockIdx.x) * gridDim.y + blockIdx.y];
  }
  /// Whether this block's queries of a model are not answered yet.
  __device__ bool is_open(std::int64_t model) const { return gave_up == nullptr || gave_up_here(model) != 0; }
};

__device__ inline void write_neighbour(const NearestSearch& args, std::int64_t model, std::int64_t row, int i,
                                       NeighbourKey key) {
  if (args.distance) {
    const float distance = distance_of(key);
    args.distance.model(model).row(row)[i] = args.metric == Distance::l2 ? sqrtf(distance) : distance;
  }
  if (args.index) args.index.model(model).row(row)[i] = index_of(key);
}

__device__ inline void write_result(const Search& search, std::int64_t model, std::int64_t row, int i,
                                    NeighbourKey key) {
  if (row >= search.args.query.rows) return;
  if (search.splits == 1) {
    write_neighbour(search.args, model, row, i, key);
  } else {
    const std::int64_t list = (model * search.args.query.rows + row) * search.splits + blockIdx.y;
    search.partial[list * search.args.neighbours + i] = key;
  }
}

/// The bank rows of this block: [begin, end).
struct Part {
  std::int64_t begin, end;

  __device__ Part(const Search& search, int tile_rows)
      : begin(blockIdx.y * search.tiles_per_split * tile_rows), end(begin + search.tiles_per_split * tile_rows) {
    end = end < search.args.bank.rows ? end : search.args.bank.rows;
  }
};

/// Queries and bank rows of a tile if there are many queries: the same on both paths.
constexpr int many_queries = 64, many_rows = 64;
constexpr int least_filter_tiles = 32;  ///< of a split: each has to find its first limits

inline std::int64_t query_tiles(const NearestSearch& args, int queries) {
  return (args.query.rows + queries - 1) / queries;
}

/// Whether to look through the filter first (nearest_filter.cu). The bits of the result are the same.
bool filter_pays(const Context& context, const NearestSearch& args);
std::size_t filter_scratch(const Search& search);
/// Searches, and points search.gave_up into `scratch`; blocks that gave up have written no results.
void run_filter(Context& context, Search& search, void* scratch);

}  // namespace cugad::cuda
