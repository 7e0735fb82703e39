#include <algorithm>
#include <limits>

#include "kernels/dense/tensor_tile.cuh"
#include "kernels/device/limits.hpp"
#include "kernels/device/reduce.cuh"
#include "kernels/nearest_rows/search.cuh"

/// The nearest rows of a large bank, by tensor cores first: |q|^2 + |b|^2 - 2 q b in tf32 approximates the distance of
/// a bank row within a bound, and only rows that may belong to the k nearest are compared in float32, by the sums of
/// distance_tile.cuh. The bits of the result are those of the exact kernel.
///
///   64 queries x 64 rows --mma--> sums --above the query's limit?--> up to 32 rows wait per query (shared)
///   waiting rows --cp.async--> shared --> a distance per lane --> the warp offers them to the query's list --> limit
///
/// Rows are centred before they are rounded: a distance does not change, the bound shrinks with the norms.
///
/// The bound. A = |q|^2, B = |b|^2, P = q b, D = A + B - 2 P exactly, n columns. A sum is start + P, where the start is
/// -(1 - g) B / 2; a row is skipped if sum <= limit = ((1 - g) A - T) / 2, T being the distance of the k-th nearest row
/// so far. With an error E of the sum, T <= D - g (A + B) + 2 E then, which is at most the distance that the exact
/// kernel computes where g (A + B) covers
///
///   2 E, rounding to tf32:  (2^-10 + 2^-21) |q| |b|, twice, and |q| |b| <= (A + B) / 2
///   2 E, additions:         n 2^-21 (B / 2 + |q| |b|), each of n / 8 instructions cutting nine addends off at 2^-23 of
///                           the largest (Fasi et al. 2021, "Numerical behavior of NVIDIA tensor cores")
///   centring:               2^-22 (A + B)
///   norms and limits:       n 2^-24 (A + B), 2^-23 (A + B)
///   the exact kernel:       (n + 4) 2^-23 D, D <= 2 (A + B)
///
/// g = 2^-10 + (n + 8) 2^-20 is more than all of them, and a start of (n + 8) 2^-120 more than all subnormal numbers
/// that are flushed to 0. Rows come in ascending order, so that of equal distances the earlier one is in the list. Rows
/// whose sums are NaN, or may overflow, are never skipped.
namespace cugad::cuda {
namespace {

/// A tile of products of rows that are rounded already: their panels go straight to shared memory.
struct Tile : TensorTile<Precision::tf32, many_queries, many_rows, 32, 32> {
  using Element = float;
  static constexpr int stages = 2, left_interleave = 1, right_interleave = 1;

  template <Order left, Order right>
  __device__ void multiply(const float* a, const float* b, int) {
#pragma unroll
    for (int k = 0; k < depth; k += step) {
      TensorTile::template multiply<left, right>(reinterpret_cast<const std::uint32_t*>(a),
                                                 reinterpret_cast<const std::uint32_t*>(b), k);
    }
  }
};
constexpr Order contiguous = Order::k_contiguous;
constexpr int most_filtered = 16;         ///< neighbours
constexpr int room = device::warp_lanes;  ///< rows that wait per query
constexpr int warps = Tile::threads / device::warp_lanes, queries_per_warp = Tile::rows / warps;
constexpr int chunk = 16, stage_pitch = chunk + 1;  ///< columns of waiting rows that are compared at a time
constexpr int element = sizeof(float);
constexpr int round_threads = 256;
constexpr int centre_rows = 256;       ///< of the bank, evenly spread, whose mean is the centre
constexpr std::size_t alignment = 16;  ///< of rounded rows, in bytes
static_assert(warps * (device::warp_lanes + 1) * stage_pitch <= product_floats<Tile, contiguous, contiguous>());

/// Rows in the form of the filter: rounded to tf32, padded with zeros to whole tiles, with terms of their norms. One
/// matrix if all models share it.
struct Rounded {
  float* cells;  ///< [matrices][rows][stride]
  float* norms;  ///< [matrices][rows]
  std::int64_t matrices, rows, stride;

  Rounded(const StackView<const float>& view, float* memory)
      : cells(memory),
        matrices(view.model_stride == 0 ? 1 : view.models),
        rows((view.rows + many_rows - 1) / many_rows * many_rows),
        stride((view.columns + Tile::depth - 1) / Tile::depth * Tile::depth) {
    norms = cells + matrices * rows * stride;
  }
  std::size_t floats() const { return static_cast<std::size_t>(matrices * rows * (stride + 1)); }
  __device__ std::int64_t row(std::int64_t model, std::int64_t r) const {
    return (matrices == 1 ? 0 : model * rows) + r;
  }
};

struct Filter {
  Search search;
  Rounded query;     ///< norms: (1 - g) A
  Rounded bank;      ///< norms: the start of a sum
  float above_zero;  ///< addend of starts for numbers that count as 0
  float slack;       ///< times (1 - g) (A + B): more than g (A + B)
};

/// What is subtracted from rows: one row for all models, or one for each.
struct Centre {
  float* cells;
  std::int64_t model_stride;
};

/// A warp sums each eighth of the chosen rows; 32 columns per block.
__global__ void __launch_bounds__(round_threads) bank_centre_kernel(StackView<const float> bank, Centre centre) {
  constexpr int sums = round_threads / device::warp_lanes;
  device::SharedMemory shared;
  float* const partial = shared.take<float>(round_threads);
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  const std::int64_t column = std::int64_t{blockIdx.x} * device::warp_lanes + lane;
  for (std::int64_t model = blockIdx.z; model < bank.models; model += gridDim.z) {
    float sum = 0.0f;
    for (int i = static_cast<int>(threadIdx.x) / device::warp_lanes; i < centre_rows && column < bank.columns;
         i += sums) {
      const float cell = bank.model(model).row(i * bank.rows / centre_rows)[column];
      sum += fabsf(cell) < 1e18f ? cell : 0.0f;
    }
    partial[threadIdx.x] = sum;
    __syncthreads();
    if (static_cast<int>(threadIdx.x) == lane && column < bank.columns) {
      for (int i = 1; i < sums; ++i) sum += partial[i * device::warp_lanes + lane];
      centre.cells[model * centre.model_stride + column] = sum / centre_rows;
    }
    __syncthreads();  // the sums have been read
  }
}

struct Rounding {
  StackView<const float> from;
  Rounded to;
  Centre centre;
  float share, start, factor;  ///< norms are start + factor * share * the sum of squares
};

/// A warp per row. Norms that might overflow, or whose products might, become NaN.
__global__ void __launch_bounds__(round_threads) round_rows_kernel(Rounding job) {
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  const std::int64_t r = (std::int64_t{blockIdx.x} * round_threads + threadIdx.x) / device::warp_lanes;
  if (r >= job.to.rows) return;
  const bool exists = r < job.from.rows;
  for (std::int64_t model = blockIdx.z; model < job.to.matrices; model += gridDim.z) {
    const float *const row = job.from.model(model).row(exists ? r : 0), *const centre = job.centre.cells +
                                                                                        model * job.centre.model_stride;
    const std::int64_t to = job.to.row(model, r);
    float sum = 0.0f;
    for (std::int64_t c = lane; c < job.to.stride; c += device::warp_lanes) {
      const float cell = exists && c < job.from.columns ? row[c] - centre[c] : 0.0f;
      sum = multiply_add(cell, cell, sum);
      job.to.cells[to * job.to.stride + c] = __uint_as_float(device::round_tf32(cell));
    }
    sum = device::warp_sum(sum);
    if (lane != 0) continue;
    const float norm = job.start + job.factor * (job.share * sum);
    // Sums with rows that do not exist are above no limit.
    job.to.norms[to] = !exists       ? -std::numeric_limits<float>::infinity()
                       : sum < 1e37f ? norm
                                     : std::numeric_limits<float>::quiet_NaN();
  }
}

/// The distance of a query to bank row rows[lane], of lanes below `count`: one chain over ascending columns. For a
/// whole warp; `rows` and `stage`, room for 33 rows of stage_pitch, are in shared memory.
__device__ float distance_to(const float* query, const MatrixView<const float>& bank, const std::int32_t* rows,
                             int count, bool skip_missing, float* stage, int lane) {
  const int half = lane / chunk, place = lane % chunk;
  const device::SharedAddress to(stage + half * stage_pitch + place);
  const float* const x = stage + device::warp_lanes * stage_pitch;
  const float* const y = stage + (lane < count ? lane : 0) * stage_pitch;
  float sum = 0.0f;
  for (std::int64_t first = 0; first < bank.columns; first += chunk) {
    const bool exists = first + place < bank.columns;
    if (half == 0) device::copy_async4(to + device::warp_lanes * stage_pitch * element, query + first + place, exists);
#pragma unroll 4
    for (int i = 0; i < count; i += 2) {  // half a warp copies a row
      const int row = rows[i + half < count ? i + half : i];
      device::copy_async4(to + i * stage_pitch * element, bank.row(row) + first + place, exists);
    }
    device::copy_async_commit();
    device::copy_async_wait<0>();
    __syncwarp();
#pragma unroll
    for (int c = 0; c < chunk; ++c) {  // columns that do not exist are 0 on both sides
      const float cell = x[c], difference = cell - y[c];
      const float counted = int{cell == cell} | int{!skip_missing} ? difference : 0.0f;  // no branches
      sum = multiply_add(counted, counted, sum);
    }
    __syncwarp();  // the stage has been read
  }
  return sum;
}

/// A block's state of its queries, in shared memory.
struct Queries {
  NeighbourKey* staged;   ///< a key per thread
  std::int32_t* waiting;  ///< [queries][room]: bank rows
  int* found;             ///< rows that were to wait, also those for which there was no room
  int* before;            ///< how many of them waited before this tile
  float* norm;            ///< (1 - g) A
  float* limit;           ///< a sum above it may be one of the k nearest
  int* comparisons;       ///< how often a query was compared with up to 32 rows
  NeighbourKey* list;     ///< [queries][k], ascending

  static void add_to(device::SharedLayout& layout, int k) {
    layout.add<NeighbourKey>(Tile::threads).add<std::int32_t>(Tile::rows * room);
    layout.add<int>(Tile::rows).add<int>(Tile::rows).add<float>(Tile::rows).add<float>(Tile::rows).add<int>(1);
    layout.add<NeighbourKey>(static_cast<std::size_t>(Tile::rows * k));
  }
  __device__ Queries(device::SharedMemory& shared, int k)
      : staged(shared.take<NeighbourKey>(Tile::threads)),
        waiting(shared.take<std::int32_t>(Tile::rows * room)),
        found(shared.take<int>(Tile::rows)),
        before(shared.take<int>(Tile::rows)),
        norm(shared.take<float>(Tile::rows)),
        limit(shared.take<float>(Tile::rows)),
        comparisons(shared.take<int>(1)),
        list(shared.take<NeighbourKey>(static_cast<std::size_t>(Tile::rows * k))) {}
};

/// A warp's share of the block's queries: the exact part of the search.
class WarpQueries {
 public:
  __device__ WarpQueries(const Filter& filter, const Queries& queries, float* stages, std::int64_t model)
      : filter_(filter),
        queries_(queries),
        model_(model),
        query_(filter.search.args.query.model(model)),
        bank_(filter.search.args.bank.model(model)),
        stage_(stages + warp() * (device::warp_lanes + 1) * stage_pitch) {}

  __device__ void clear() const {
    for (int q = first(); q < first() + queries_per_warp; ++q) {
      for (int i = lane(); i < k(); i += device::warp_lanes) queries_.list[q * k() + i] = no_neighbour;
      if (lane() != 0) continue;
      queries_.norm[q] = filter_.query.norms[filter_.query.row(model_, row(q))];
      queries_.found[q] = queries_.before[q] = 0;
    }
  }

  /// The first limits, from the sums of a tile of bank rows with their starts: the k-th largest lower bound of a sum.
  /// For T <= A + g B - 2 (sum - E) of some row, the limit is at least sum - g (A + B).
  __device__ void learn(float* sums, const float* starts) const {
    for (int q = first(); q < first() + queries_per_warp; ++q) {
      float* const of_query = sums + q * sums_stride<Tile>;
      const float norm = queries_.norm[q];
      float least = -std::numeric_limits<float>::infinity();
      for (int c = lane(); c < Tile::columns; c += device::warp_lanes) {
        const float below = of_query[c] - filter_.slack * (norm - 2.0f * starts[c]) - 4.0f * filter_.above_zero;
        least = fmaxf(least, below);  // NaN counts as nothing
      }
      __syncwarp();
      of_query[lane()] = least;
      __syncwarp();
      int larger = 0;
#pragma unroll 8
      for (int i = 0; i < device::warp_lanes; ++i) {
        const float other = of_query[i];
        larger += int{other > least} | (int{other == least} & int{i < lane()});
      }
      if (larger == k() - 1) queries_.limit[q] = norm == norm ? least : norm;  // of one lane
    }
  }

  /// Compares waiting candidates, after a tile of bank rows [begin, end): if half the room is used, and at the end if
  /// any waits; if there was no room for all candidates of the tile, compares all its rows.
  __device__ void look(int begin, int end, bool all) const {
    const int mine = first() + lane();
    const int found = lane() < queries_per_warp && exists(mine) ? queries_.found[mine] : 0;
    if (lane() < queries_per_warp && found <= room / 2) queries_.before[mine] = found;
    unsigned due = __ballot_sync(device::full_warp, found > (all ? 0 : room / 2));
    for (; due != 0; due &= due - 1) {
      const int q = first() + __ffs(static_cast<int>(due)) - 1;
      const int now = queries_.found[q];
      const bool fits = now <= room;  // else some of this tile's are missing: all its rows follow those of before
      const int waiting = fits ? now : queries_.before[q];
      if (waiting > 0) compare(q, waiting);
      for (int row = begin; row < end && !fits; row += device::warp_lanes) {
        queries_.waiting[q * room + lane()] = row + lane();
        __syncwarp();
        compare(q, existing(end - row, device::warp_lanes));
      }
      if (lane() == 0) {
        const NeighbourKey last = queries_.list[(q + 1) * k() - 1];
        const float distance = distance_of(last), norm = queries_.norm[q], limit = 0.5f * (norm - distance);
        if (distance == 0.0f) {
          queries_.limit[q] = std::numeric_limits<float>::infinity();  // nothing is nearer
        } else if (last != no_neighbour && limit > queries_.limit[q]) {
          queries_.limit[q] = limit;
        }
        queries_.found[q] = queries_.before[q] = 0;
      }
    }
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x) % device::warp_lanes; }
  static __device__ int warp() { return static_cast<int>(threadIdx.x) / device::warp_lanes; }
  static __device__ int first() { return warp() * queries_per_warp; }
  static __device__ std::int64_t row(int q) { return std::int64_t{blockIdx.x} * Tile::rows + q; }
  __device__ bool exists(int q) const { return row(q) < query_.rows; }
  __device__ int k() const { return filter_.search.args.neighbours; }

  /// Offers the first `count` of the rows that wait to a query.
  __device__ void compare(int q, int count) const {
    if (lane() == 0) atomicAdd(queries_.comparisons, 1);
    const std::int32_t* const rows = queries_.waiting + q * room;
    const float distance =
        distance_to(query_.row(row(q)), bank_, rows, count, filter_.search.args.skip_missing, stage_, lane());
    const NeighbourKey key = lane() < count ? neighbour_key(distance, rows[lane()]) : no_neighbour;
    offer(queries_.list + q * k(), k(), queries_.staged + warp() * device::warp_lanes, key, lane());
  }

  const Filter& filter_;
  const Queries& queries_;
  std::int64_t model_;
  MatrixView<const float> query_, bank_;
  float* stage_;
};

/// The number of comparisons within so many tiles after which a block gives up: twice that of rows in random order,
/// whose candidates grow by k as the bank doubles; and two for each tile, which then costs a fifth more than the exact
/// kernel's.
__device__ inline int comparisons_worth(int k, int tiles) {
  return Tile::rows * k * (32 - __clz(tiles)) / 8 + 2 * tiles;
}

__global__ void __launch_bounds__(Tile::threads, 3) nearest_filter_kernel(const __grid_constant__ Filter filter) {
  const Search& search = filter.search;
  const int k = search.args.neighbours;
  device::SharedMemory shared;
  float* const panels = shared.take<float>(product_floats<Tile, contiguous, contiguous>());
  const Queries queries(shared, k);
  const std::int64_t first_row = std::int64_t{blockIdx.x} * Tile::rows;
  const Part part(search, Tile::columns);
  const int begin = static_cast<int>(part.begin), end = static_cast<int>(part.end);  // indices are 32-bit
  for (std::int64_t model = blockIdx.z; model < search.args.query.models; model += gridDim.z) {
    WarpQueries(filter, queries, panels, model).clear();
    if (threadIdx.x == 0) *queries.comparisons = 0;
    bool learned = false, gives_up = false;
    for (int first = begin; first < end && !gives_up;) {
      const std::int64_t query_row = filter.query.row(model, first_row), bank_row = filter.bank.row(model, first);
      const WarpQueries mine(filter, queries, panels, model);
      Tile tile;
      NoObserver nothing;
      tile.begin(filter.bank.norms + bank_row, Tile::columns);
      multiply<contiguous, contiguous>(
          tile, {filter.query.cells + query_row * filter.query.stride, filter.query.stride, Tile::rows, true},
          {filter.bank.cells + bank_row * filter.bank.stride, filter.bank.stride, Tile::columns, true},
          static_cast<int>(filter.bank.stride), panels, nothing);
      if (!learned) {
        publish(tile, panels);
        mine.learn(panels, filter.bank.norms + bank_row);
        learned = true;  // now the same tile again
      } else {
        tile.above(queries.limit, [&](int q, unsigned rows) {
          int at = atomicAdd(queries.found + q, __popc(rows));
          for (; rows != 0 && at < room; rows &= rows - 1) {
            queries.waiting[q * room + at++] = first + Tile::column_of(__ffs(static_cast<int>(rows)) - 1);
          }
        });
        __syncthreads();  // all that waits is there
        const int next = first + Tile::columns;
        mine.look(first, next < end ? next : end, next >= end);
        first = next;
      }
      __syncthreads();  // limits are there, and the panels are free
      gives_up = first<end&& * queries.comparisons> comparisons_worth(k, (first - begin) / Tile::columns);
    }
    if (threadIdx.x == 0) search.gave_up_here(model) = gives_up ? 1 : 0;
    for (int i = static_cast<int>(threadIdx.x); i < Tile::rows * k && !gives_up; i += Tile::threads) {
      write_result(search, model, first_row + i / k, i % k, queries.list[i]);
    }
    __syncthreads();  // the next model overwrites the lists
  }
}

void round_rows(Context& context, const Rounding& job) {
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(job.to.rows * device::warp_lanes, round_threads), 1,
                    device::model_blocks(job.to.matrices));
  shape.block = dim3(round_threads);
  device::launch(context.stream(), "nearest_rows rounding", shape, round_rows_kernel, job);
}

}  // namespace

/// By the machine code (bench/NOTES.md): a query's exact part costs as much as some tens of tiles, so that the bank
/// must have many rows, for many neighbours more; a block walks over its part with few warps, so that enough blocks
/// must run to hide latency. None of the limits is measured.
bool filter_pays(const Context& context, const NearestSearch& args) {
  constexpr std::int64_t least_rows = 2048, rows_per_neighbour = 512, cells = 65536, wide = 32, blocks_each = 2;
  const std::int64_t rows = args.bank.rows;
  const std::int64_t splits = std::max<std::int64_t>(1, rows / (least_filter_tiles * many_rows));
  return args.metric != Distance::l1 && args.neighbours <= most_filtered && args.query.rows >= many_queries &&
         rows >= std::max(least_rows, args.neighbours * rows_per_neighbour) &&
         rows * std::min(args.query.columns, wide) >= cells &&
         query_tiles(args, many_queries) * args.query.models * splits >=
             blocks_each * device_limits(context).multiprocessors;
}

std::size_t filter_scratch(const Search& search) {
  const std::int64_t blocks = search.args.query.models * query_tiles(search.args, Tile::rows) * search.splits;
  const Rounded query(search.args.query, nullptr), bank(search.args.bank, nullptr);
  const std::size_t centres = static_cast<std::size_t>(bank.matrices * bank.stride);
  return 2 * alignment + sizeof(float) * (query.floats() + bank.floats() + centres) +
         sizeof(int) * static_cast<std::size_t>(blocks);
}

void run_filter(Context& context, Search& search, void* scratch) {
  const NearestSearch& args = search.args;
  const auto address = reinterpret_cast<std::uintptr_t>(scratch);
  const Rounded query(args.query, reinterpret_cast<float*>((address + alignment - 1) / alignment * alignment));
  const Rounded bank(args.bank, query.cells + (query.floats() + 3) / 4 * 4);
  // Queries that all models share are rounded once: about the centre of the first model's bank.
  const bool one_centre = query.matrices == 1 || bank.matrices == 1;
  const Centre centre = {bank.cells + bank.floats(), one_centre ? 0 : bank.stride};
  search.gave_up = reinterpret_cast<int*>(centre.cells + bank.matrices * bank.stride);
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(args.bank.columns, device::warp_lanes), 1,
                    one_centre ? 1 : device::model_blocks(args.bank.models));
  shape.block = dim3(round_threads);
  shape.shared_bytes = device::SharedLayout().add<float>(round_threads).bytes();
  device::launch(context.stream(), "nearest_rows centre", shape, bank_centre_kernel,
                 one_centre ? args.bank.slice_models(0, 1) : args.bank, centre);
  const auto columns = static_cast<float>(args.query.columns);
  const float share = 1.0f - (0x1p-10f + (columns + 8.0f) * 0x1p-20f), above_zero = (columns + 8.0f) * 0x1p-120f;
  round_rows(context, {args.query, query, centre, share, 0.0f, 1.0f});
  round_rows(context, {args.bank, bank, centre, share, above_zero, -0.5f});
  const Filter filter = {search, query, bank, above_zero, 1.25f * (1.0f - share) / share};
  device::SharedLayout layout;
  Queries::add_to(layout.add<float>(product_floats<Tile, contiguous, contiguous>()), args.neighbours);
  shape.grid = dim3(device::blocks_for(args.query.rows, Tile::rows), static_cast<unsigned>(search.splits),
                    device::model_blocks(args.query.models));
  shape.block = dim3(Tile::threads);
  shape.shared_bytes = layout.bytes();
  device::launch(context.stream(), "nearest_rows filter", shape, nearest_filter_kernel, filter);
}

}  // namespace cugad::cuda
