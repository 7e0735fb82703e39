#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/matrix_multiply.hpp"
#include "kernels/cpu/packed_weights.hpp"
#include "kernels/cpu/parallel.hpp"

/// k nearest rows: the bank is packed into panels whose lanes are bank rows; tiles of 6 queries x one panel compute
/// differences directly (the expanded form |a|^2 - 2ab + |b|^2 cancels badly), and candidates are inserted as they
/// come.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int max_k = NearestRows::max_neighbours;
constexpr std::int64_t query_block = 48;

/// The best k so far of one query, nearest first.
struct Best {
  float distance[max_k];
  std::int32_t index[max_k];

  void clear(int k) {
    std::fill_n(distance, k, std::numeric_limits<float>::infinity());
    std::fill_n(index, k, -1);
  }
  /// Candidates come in ascending order of index, so that a strict comparison leaves ties to the smaller index. A NaN
  /// or infinite distance is taken only while slots are free, as +infinity.
  void offer(int k, float value, std::int32_t row) {
    if (!(value < distance[k - 1])) {
      if (index[k - 1] >= 0) return;
      value = std::numeric_limits<float>::infinity();
    }
    int at = k - 1;
    while (at > 0 && (index[at - 1] < 0 || value < distance[at - 1])) {
      distance[at] = distance[at - 1];
      index[at] = index[at - 1];
      --at;
    }
    distance[at] = value;
    index[at] = row;
  }
};

template <bool ABSOLUTE, bool MASKED, int ROWS, int VECTORS>
void distance_tile(std::int64_t columns, const float* x, const float* weight, std::int64_t stride, const float* panel,
                   float* out) {
  Vec sum[ROWS][VECTORS];
  for (int i = 0; i < ROWS; ++i) {
    for (int v = 0; v < VECTORS; ++v) sum[i][v] = set(0.0f);
  }
  for (std::int64_t c = 0; c < columns; ++c) {
    Vec b[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) b[v] = load(panel + (c * VECTORS + v) * width);
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) {
      const Vec value = set(x[i * stride + c]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) {
        Vec difference = value - b[v];
        if (MASKED) difference = difference * set(weight[i * stride + c]);
        sum[i][v] = ABSOLUTE ? sum[i][v] + absolute(difference) : fused(difference, difference, sum[i][v]);
      }
    }
  }
  for (int i = 0; i < ROWS; ++i) {
    for (int v = 0; v < VECTORS; ++v) store(out + (i * VECTORS + v) * width, sum[i][v]);
  }
}

template <bool ABSOLUTE, bool MASKED, int VECTORS>
void distance_rows(int rows, std::int64_t columns, const float* x, const float* weight, std::int64_t stride,
                   const float* panel, float* out) {
  switch (rows) {
    case 6:
      return distance_tile<ABSOLUTE, MASKED, 6, VECTORS>(columns, x, weight, stride, panel, out);
    case 5:
      return distance_tile<ABSOLUTE, MASKED, 5, VECTORS>(columns, x, weight, stride, panel, out);
    case 4:
      return distance_tile<ABSOLUTE, MASKED, 4, VECTORS>(columns, x, weight, stride, panel, out);
    case 3:
      return distance_tile<ABSOLUTE, MASKED, 3, VECTORS>(columns, x, weight, stride, panel, out);
    case 2:
      return distance_tile<ABSOLUTE, MASKED, 2, VECTORS>(columns, x, weight, stride, panel, out);
    default:
      return distance_tile<ABSOLUTE, MASKED, 1, VECTORS>(columns, x, weight, stride, panel, out);
  }
}

template <bool ABSOLUTE, bool MASKED>
void distance_panel(std::int64_t vectors, int rows, std::int64_t columns, const float* x, const float* weight,
                    std::int64_t stride, const float* panel, float* out) {
  switch (vectors) {
    case 4:
      if constexpr (panel_vectors == 4)
        distance_rows<ABSOLUTE, MASKED, 4>(rows, columns, x, weight, stride, panel, out);
      return;
    case 3:
      if constexpr (panel_vectors == 4)
        distance_rows<ABSOLUTE, MASKED, 3>(rows, columns, x, weight, stride, panel, out);
      return;
    case 2:
      return distance_rows<ABSOLUTE, MASKED, 2>(rows, columns, x, weight, stride, panel, out);
    default:
      return distance_rows<ABSOLUTE, MASKED, 1>(rows, columns, x, weight, stride, panel, out);
  }
}

/// Queries [begin, end) of model m; `values` and `weights` hold query_block rows each.
void search_block(const NearestRows& args, std::int64_t m, const float* packed, std::int64_t begin, std::int64_t end,
                  float* values, float* weights) {
  const std::int64_t columns = args.query.columns, bank_rows = args.bank.rows;
  const int k = args.neighbours;
  bool masked = false;
  for (std::int64_t r = begin; r < end; ++r) {
    const float* query = args.query.data + m * args.query.model_stride + r * args.query.row_stride;
    for (std::int64_t c = 0; c < columns; ++c) {
      const bool missing = std::isnan(query[c]);
      masked |= missing;
      values[(r - begin) * columns + c] = missing ? 0.0f : query[c];
      weights[(r - begin) * columns + c] = missing ? 0.0f : 1.0f;
    }
  }
  Best best[query_block];
  for (std::int64_t r = begin; r < end; ++r) best[r - begin].clear(k);
  alignas(64) float distances[tile_rows * panel_width];
  for (std::int64_t first = 0; first < bank_rows; first += panel_width) {
    const std::int64_t lanes = std::min<std::int64_t>(panel_width, bank_rows - first);
    const std::int64_t vectors = rounded_up(lanes, width) / width;
    const float* panel = packed + first * columns;
    for (std::int64_t r = begin; r < end; r += tile_rows) {
      const int rows = static_cast<int>(std::min<std::int64_t>(tile_rows, end - r));
      const float* x = values + (r - begin) * columns;
      const float* weight = weights + (r - begin) * columns;
      const auto call = args.metric == Distance::l1
                            ? (masked ? distance_panel<true, true> : distance_panel<true, false>)
                            : (masked ? distance_panel<false, true> : distance_panel<false, false>);
      call(vectors, rows, columns, x, weight, columns, panel, distances);
      for (int i = 0; i < rows; ++i) {
        Best& mine = best[r - begin + i];
        const float* row = distances + i * vectors * width;
        const auto offer = [&](std::int64_t lane) {
          mine.offer(k, row[lane], static_cast<std::int32_t>(first + lane));
        };
        if (mine.index[k - 1] < 0) {
          for (std::int64_t lane = 0; lane < lanes; ++lane) offer(lane);
          continue;
        }
        const Vec limit = set(mine.distance[k - 1]);
        std::uint64_t closer = 0;
        for (std::int64_t v = 0; v < vectors; ++v) {
          closer |= std::uint64_t{less_lanes(load(row + v * width), limit)} << (v * width);
        }
        if (lanes < panel_width) closer &= (std::uint64_t{1} << lanes) - 1;
        for (; closer != 0; closer &= closer - 1) offer(std::countr_zero(closer));
      }
    }
  }
  for (std::int64_t r = begin; r < end; ++r) {
    float* distance = args.distance.data + m * args.distance.model_stride + r * args.distance.row_stride;
    for (int i = 0; i < k; ++i) {
      const float value = best[r - begin].distance[i];
      distance[i] = args.metric == Distance::l2 ? std::sqrt(value) : value;
    }
    if (args.index) {
      std::copy_n(best[r - begin].index, k, args.index.data + m * args.index.model_stride + r * args.index.row_stride);
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
