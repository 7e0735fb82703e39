#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/matrix_multiply.hpp"
#include "kernels/cpu/packed_weights.hpp"
#include "kernels/cpu/parallel.hpp"

/// k nearest rows: the bank is packed into panels whose lanes are bank rows; tiles of 6 queries x one panel compute
/// differences directly (the expanded form |a|^2 - 2ab + |b|^2 cancels badly), a block of the bank at a time, of whose
/// distances each query inserts those below the last of its candidates.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int max_k = NearestRows::max_neighbours;
constexpr std::int64_t query_block = 48, bank_block = 512;
constexpr float infinity = std::numeric_limits<float>::infinity();

constexpr std::int64_t scanned_lanes = 4 * width;  ///< distances that are looked at together
static_assert(scanned_lanes <= 64 && bank_block % scanned_lanes == 0);

/// The best k so far of one query, nearest first: the bits of a distance, which ascend with it, above its row, so that
/// of equal distances the smaller row comes first. A NaN counts as infinity; a free slot comes after every row.
class Best {
 public:
  void clear(int k) { std::fill_n(keys_, k, key(infinity, free_row)); }
  float distance(int i) const { return std::bit_cast<float>(static_cast<std::uint32_t>(keys_[i] >> 32)); }
  std::int32_t row(int i) const { return static_cast<std::int32_t>(keys_[i]); }

  /// `count` rows of the bank from `first` on, at least k the first time. Behind their distances, up to a multiple of
  /// scanned_lanes, there are infinite ones.
  void offer(int k, const float* distances, std::int64_t first, std::int64_t count) {
    const bool is_full = row(k - 1) >= 0;
    // A distance that k others do not exceed is a limit, as good as any, before there are k candidates: most of what
    // comes first would not stay. Subnormal numbers count as 0, so that no distance would be below such a limit.
    float limit = is_full ? distance(k - 1)
                          : std::max(std::nextafter(reached_by(k, distances, count), infinity),
                                     std::numeric_limits<float>::min());
    const bool takes_all = !is_full && limit == infinity;
    for (std::int64_t at = 0; at < count; at += scanned_lanes) {
      std::uint64_t closer = 0;
      for (int v = 0; v < scanned_lanes / width; ++v) {
        closer |= std::uint64_t{less_lanes(load(distances + at + v * width), set(limit))} << (v * width);
      }
      if (takes_all) closer = ~std::uint64_t{0} >> (64 - std::min(scanned_lanes, count - at));
      for (; closer != 0; closer &= closer - 1) {
        const std::int64_t lane = at + std::countr_zero(closer);
        insert(k, distances[lane], static_cast<std::uint32_t>(first + lane));
        if (row(k - 1) >= 0) limit = distance(k - 1);
      }
    }
  }

 private:
  static constexpr std::uint32_t free_row = ~std::uint32_t{0};

  static std::uint64_t key(float distance, std::uint32_t row) {
    return std::uint64_t{std::bit_cast<std::uint32_t>(distance < infinity ? distance : infinity)} << 32 | row;
  }
  /// A distance that at least k of them do not exceed: the k-th smallest of the minima of every 16th (32nd, 64th).
  static float reached_by(int k, const float* distances, std::int64_t count) {
    float minima[max_k];
    const int lanes = k <= 8 ? 16 : k <= 16 ? 32 : 64;
    for (int lane = 0; lane < lanes; lane += width) {
      Vec smallest = set(infinity);
      for (std::int64_t at = lane; at < count; at += lanes) smallest = minimum(load(distances + at), smallest);
      store(minima + lane, smallest);
    }
    std::nth_element(minima, minima + k - 1, minima + lanes);
    return minima[k - 1];
  }
  void insert(int k, float value, std::uint32_t row) {
    const std::uint64_t next = key(value, row);
    if (next >= keys_[k - 1]) return;
    int at = k - 1;
    for (; at > 0 && next < keys_[at - 1]; --at) keys_[at] = keys_[at - 1];
    keys_[at] = next;
  }

  std::uint64_t keys_[max_k];
};

/// Queries that are compared together, and with what.
struct Tile {
  std::int64_t columns;
  const float *x, *weight;  ///< [rows, columns]: cells, 0 where they are missing; 1, or 0 where they are
  const float* panel;
  float* out;  ///< [rows, bank_block]: distances
};

/// More vectors than a panel has are those of several whole panels.
template <bool ABSOLUTE, bool MASKED, int ROWS, int VECTORS>
void distance_tile(const Tile& tile) {
  constexpr int panels = (VECTORS + panel_vectors - 1) / panel_vectors, vectors = VECTORS / panels;
  const std::int64_t columns = tile.columns;
  const float *x = tile.x, *weight = tile.weight, *panel = tile.panel;
  Vec sum[ROWS][VECTORS];
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) sum[i][v] = set(0.0f);
  }
  for (std::int64_t c = 0; c < columns; ++c) {
    Vec b[VECTORS];
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) b[v] = load(panel + (v / vectors * columns * vectors + v % vectors) * width);
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) {
      const Vec value = set(x[i * columns + c]);
#pragma GCC unroll 16
      for (int v = 0; v < VECTORS; ++v) {
        Vec difference = value - b[v];
        if (MASKED) difference = difference * set(weight[i * columns + c]);
        sum[i][v] = ABSOLUTE ? sum[i][v] + absolute(difference) : fused(difference, difference, sum[i][v]);
      }
    }
    panel += vectors * width;
  }
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) store(tile.out + i * bank_block + v * width, sum[i][v]);
  }
}

template <bool ABSOLUTE, bool MASKED, int VECTORS>
void distance_rows(int rows, const Tile& tile) {
  switch (rows) {
    case 6:
      return distance_tile<ABSOLUTE, MASKED, 6, VECTORS>(tile);
    case 5:
      return distance_tile<ABSOLUTE, MASKED, 5, VECTORS>(tile);
    case 4:
      return distance_tile<ABSOLUTE, MASKED, 4, VECTORS>(tile);
    case 3:
      return distance_tile<ABSOLUTE, MASKED, 3, VECTORS>(tile);
    case 2:
      return distance_tile<ABSOLUTE, MASKED, 2, VECTORS>(tile);
    default:
      return distance_tile<ABSOLUTE, MASKED, 1, VECTORS>(tile);
  }
}

/// Whole panels that so many rows take at a time: the sums of few rows are too few chains to hide their latency.
int panels_of(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

template <bool ABSOLUTE, bool MASKED>
void distance_panels(int rows, std::int64_t vectors, const Tile& tile) {
  if (vectors > panel_vectors) {
    switch (rows) {
      case 3:
        return distance_tile<ABSOLUTE, MASKED, 3, 2 * panel_vectors>(tile);
      case 2:
        return distance_tile<ABSOLUTE, MASKED, 2, 2 * panel_vectors>(tile);
      default:
        return distance_tile<ABSOLUTE, MASKED, 1, 4 * panel_vectors>(tile);
    }
  }
  if constexpr (panel_vectors == 4) {
    if (vectors == 4) return distance_rows<ABSOLUTE, MASKED, 4>(rows, tile);
    if (vectors == 3) return distance_rows<ABSOLUTE, MASKED, 3>(rows, tile);
  }
  return vectors == 2 ? distance_rows<ABSOLUTE, MASKED, 2>(rows, tile) : distance_rows<ABSOLUTE, MASKED, 1>(rows, tile);
}

/// Queries [begin, end) of model m; `values` and `weights` hold query_block rows each.
void search_block(const NearestRows& args, std::int64_t m, const float* packed, std::int64_t begin, std::int64_t end,
                  float* values, float* weights) {
  const std::int64_t columns = args.query.columns, bank_rows = args.bank.rows;
  const int k = args.neighbours, count = static_cast<int>(end - begin);
  bool has_missing[query_block] = {};
  for (std::int64_t r = begin; r < end; ++r) {
    const float* query = args.query.data + m * args.query.model_stride + r * args.query.row_stride;
    for (std::int64_t c = 0; c < columns; ++c) {
      const bool missing = std::isnan(query[c]);
      has_missing[r - begin] |= missing;
      values[(r - begin) * columns + c] = missing ? 0.0f : query[c];
      weights[(r - begin) * columns + c] = missing ? 0.0f : 1.0f;
    }
  }
  Best best[query_block];
  for (int r = 0; r < count; ++r) best[r].clear(k);
  alignas(64) float distances[tile_rows * bank_block];
  const int tiles = (count + tile_rows - 1) / tile_rows;
  for (std::int64_t block = 0; block < bank_rows; block += bank_block) {
    const std::int64_t size = std::min(bank_block, bank_rows - block), padded = rounded_up(size, width);
    for (int t = 0, r = 0, rows; t < tiles; ++t, r += rows) {
      rows = (count - r + tiles - t - 1) / (tiles - t);  // tiles of nearly equal height
      const bool masked = std::any_of(has_missing + r, has_missing + r + rows, std::identity());
      const auto compare = args.metric == Distance::l1
                               ? (masked ? distance_panels<true, true> : distance_panels<true, false>)
                               : (masked ? distance_panels<false, true> : distance_panels<false, false>);
      for (std::int64_t lane = 0, lanes; lane < padded; lane += lanes) {
        lanes = panels_of(rows) * panel_width;
        if (lanes > padded - lane) lanes = std::min<std::int64_t>(panel_width, padded - lane);
        compare(rows, lanes / width,
                {columns, values + r * columns, weights + r * columns, packed + (block + lane) * columns,
                 distances + lane});
      }
      for (int i = 0; i < rows; ++i) {
        float* row = distances + i * bank_block;
        std::fill(row + size, row + rounded_up(size, scanned_lanes), infinity);  // lanes without a row
        best[r + i].offer(k, row, block, size);
      }
    }
  }
  for (std::int64_t r = begin; r < end; ++r) {
    float* distance = args.distance.data + m * args.distance.model_stride + r * args.distance.row_stride;
    for (int i = 0; i < k; ++i) {
      const float value = best[r - begin].distance(i);
      distance[i] = args.metric == Distance::l2 ? std::sqrt(value) : value;
      if (args.index) {
        args.index.data[m * args.index.model_stride + r * args.index.row_stride + i] = best[r - begin].row(i);
      }
    }
  }
}

/// Floats of a model's packed bank in scratch memory: none if it is kept.
std::int64_t scratch_floats(const Context& context, const NearestRows& args) {
  return context.has_frozen_weights() ? 0 : packed_floats(args.query.columns, args.bank.rows);
}

std::size_t workspace_bytes(const Context& context, const NearestRows& args) {
  const std::int64_t block = 2 * query_block * args.query.columns;
  return sizeof(float) *
         static_cast<std::size_t>(scratch_floats(context, args) + std::max(1, context.threads()) * block);
}

void nearest_rows(Context& context, const NearestRows& args) {
  const std::int64_t rows = args.query.rows, columns = args.query.columns;
  const float* kept = kept_weights(context, args.bank);
  auto* scratch = static_cast<float*>(context.scratch(workspace_bytes(context, args)));
  float* blocks = scratch + scratch_floats(context, args);
  const double work = static_cast<double>(rows) * static_cast<double>(args.bank.rows) * static_cast<double>(columns);
  const int threads = worthwhile_threads(context.threads(), work / 60.0);
  for (std::int64_t m = 0; m < args.distance.models; ++m) {
    if (kept == nullptr && (m == 0 || args.bank.model_stride != 0)) {
      pack_columns(args.bank.data + m * args.bank.model_stride, args.bank.row_stride, columns, args.bank.rows, scratch);
    }
    const float* packed = kept == nullptr ? scratch : kept + m * packed_floats(columns, args.bank.rows);
    const std::int64_t block_count = (rows + query_block - 1) / query_block;
    parallel_ranges(threads, block_count, [&](int thread, std::int64_t begin, std::int64_t end) {
      float* values = blocks + thread * 2 * query_block * columns;
      for (std::int64_t b = begin; b < end; ++b) {
        search_block(args, m, packed, b * query_block, std::min(rows, (b + 1) * query_block), values,
                     values + query_block * columns);
      }
    });
  }
}

}  // namespace

OpEntry<NearestRows> nearest_rows_entry() { return {nearest_rows, workspace_bytes}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
