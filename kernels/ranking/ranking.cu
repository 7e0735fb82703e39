#include <algorithm>
#include <limits>

#include "kernels/device/entries.hpp"
#include "kernels/device/limits.hpp"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/device/sort.cuh"
#include "kernels/ranking/ranking_key.hpp"

/// All rows of scores are sorted as one list of keys. Tiles of 256 places then count anomalies, a scan over the tiles
/// turns that into the number found down to any place, and the last place of each group of ties adds the group's terms:
/// pairs won as whole numbers, precisions in double, summed tile by tile in a fixed shape.
namespace cugad::cuda {
namespace {

constexpr int tile_places = 256;
constexpr int tile_warps = tile_places / device::warp_lanes;
constexpr int blocks_per_multiprocessor = 8;

struct Job {
  RankingMetrics args;
  std::int64_t rows, n, tiles;  ///< rows of all models; tiles per row
  std::uint64_t* keys;          ///< [rows, n]
  std::int32_t* found;          ///< [rows, n]: anomalies from the start of the tile up to and including a place
  std::int64_t* found_before;   ///< [rows, tiles + 1]: anomalies before a tile; the last: all
  std::int64_t* doubled_wins;   ///< [rows, tiles]
  double* precisions;           ///< [rows, tiles]

  __device__ bool anomaly(std::int64_t row, std::int64_t place) const { return (keys[row * n + place] & 1) != 0; }
  /// The row's number and the score, without the label.
  __device__ std::uint64_t rank(std::int64_t row, std::int64_t place) const { return keys[row * n + place] >> 1; }
  /// Anomalies at the first `places` places of a row.
  __device__ std::int64_t found_in(std::int64_t row, std::int64_t places) const {
    if (places == 0) return 0;
    return found_before[row * (tiles + 1) + (places - 1) / tile_places] + found[row * n + places - 1];
  }
};

__global__ void __launch_bounds__(tile_places) ranking_key_kernel(Job job) {
  const RankingMetrics& args = job.args;
  const std::int64_t count = job.rows * job.n, step = std::int64_t{gridDim.x} * tile_places;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * tile_places + threadIdx.x; i < count; i += step) {
    const std::int64_t row = i / job.n, place = i % job.n, model = row / args.score.rows;
    const float score = args.score.model(model).row(row % args.score.rows)[place];
    const std::uint8_t label = args.label.model(model).row(row % args.score.rows)[place];
    job.keys[i] = static_cast<std::uint64_t>(row) << ranking_key_bits | ranking_key(score, label != 0);
  }
}

/// found, and the tile's own sum instead of the next tile's found_before.
__global__ void __launch_bounds__(tile_places) ranking_count_kernel(Job job) {
  device::SharedMemory shared;
  int* warp_count = shared.take<int>(tile_warps);
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
  for (std::int64_t at = blockIdx.x; at < job.rows * job.tiles; at += gridDim.x) {
    const std::int64_t row = at / job.tiles, tile = at % job.tiles, place = tile * tile_places + threadIdx.x;
    const bool anomaly = place < job.n && job.anomaly(row, place);
    const unsigned anomalies = __ballot_sync(device::full_warp, anomaly);
    if (lane == 0) warp_count[warp] = __popc(anomalies);
    __syncthreads();
    int before = 0, all = 0;
#pragma unroll
    for (int w = 0; w < tile_warps; ++w) {
      before += w < warp ? warp_count[w] : 0;
      all += warp_count[w];
    }
    const unsigned up_to_lane = device::full_warp >> (device::warp_lanes - 1 - lane);
    if (place < job.n) job.found[row * job.n + place] = before + __popc(anomalies & up_to_lane);
    if (threadIdx.x == 0) job.found_before[row * (job.tiles + 1) + tile + 1] = all;
    __syncthreads();
  }
}

/// The sums of the tiles into running sums; one warp per row.
__global__ void __launch_bounds__(device::warp_lanes) ranking_scan_kernel(Job job) {
  const int lane = static_cast<int>(threadIdx.x);
  for (std::int64_t row = blockIdx.x; row < job.rows; row += gridDim.x) {
    std::int64_t* running = job.found_before + row * (job.tiles + 1);
    if (lane == 0) running[0] = 0;
    std::int64_t before = 0;
    for (std::int64_t first = 1; first <= job.tiles; first += device::warp_lanes) {
      std::int64_t sum = first + lane <= job.tiles ? running[first + lane] : 0;
#pragma unroll
      for (int offset = 1; offset < device::warp_lanes; offset *= 2) {
        const std::int64_t other = __shfl_up_sync(device::full_warp, sum, static_cast<unsigned>(offset));
        sum += lane >= offset ? other : 0;
      }
      if (first + lane <= job.tiles) running[first + lane] = before + sum;
      before += __shfl_sync(device::full_warp, sum, device::warp_lanes - 1);
    }
  }
}

/// The first place of the group of ties that ends at `last`.
__device__ std::int64_t start_of_group(const Job& job, std::int64_t row, std::int64_t last) {
  const std::uint64_t rank = job.rank(row, last);
  if (last == 0 || job.rank(row, last - 1) != rank) return last;
  std::int64_t low = 0, high = last - 1;  // the answer lies in [low, high]
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (job.rank(row, middle) < rank) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

struct Terms {
  std::int64_t doubled_wins = 0;
  double precision = 0.0;
};

__device__ Terms terms_of(const Job& job, std::int64_t row, std::int64_t place) {
  if (place >= job.n) return {};
  if (place + 1 < job.n && job.rank(row, place + 1) == job.rank(row, place)) return {};  // not the last of its group
  const std::int64_t start = start_of_group(job, row, place), flagged = place + 1;
  const std::int64_t found = job.found_in(row, flagged), found_before = job.found_in(row, start);
  const std::int64_t anomalies = found - found_before, normals_before = start - found_before;
  const std::int64_t normals_in_row = job.n - job.found_before[row * (job.tiles + 1) + job.tiles];
  // Each anomaly beats the normal rows below its group, and ties with those in it: half a point.
  const std::int64_t doubled_points = 2 * normals_in_row - (flagged - found) - normals_before;
  return {anomalies * doubled_points,
          static_cast<double>(anomalies) * (static_cast<double>(found) / static_cast<double>(flagged))};
}

__global__ void __launch_bounds__(tile_places) ranking_term_kernel(Job job) {
  device::SharedMemory shared;
  std::int64_t* warp_wins = shared.take<std::int64_t>(tile_warps);
  double* warp_precision = shared.take<double>(tile_warps);
  for (std::int64_t at = blockIdx.x; at < job.rows * job.tiles; at += gridDim.x) {
    const Terms terms = terms_of(job, at / job.tiles, at % job.tiles * tile_places + threadIdx.x);
    const std::int64_t wins = device::block_sum(terms.doubled_wins, warp_wins);
    const double precision = device::block_sum(terms.precision, warp_precision);
    if (threadIdx.x == 0) {
      job.doubled_wins[at] = wins;
      job.precisions[at] = precision;
    }
    __syncthreads();
  }
}

/// One warp per row: lane l adds tiles l, l + 32, ..., then the lanes.
__global__ void __launch_bounds__(device::warp_lanes) ranking_result_kernel(Job job) {
  for (std::int64_t row = blockIdx.x; row < job.rows; row += gridDim.x) {
    std::int64_t wins = 0;
    double precision = 0.0;
    for (std::int64_t tile = threadIdx.x; tile < job.tiles; tile += device::warp_lanes) {
      wins += job.doubled_wins[row * job.tiles + tile];
      precision += job.precisions[row * job.tiles + tile];
    }
    wins = device::warp_sum(wins);
    precision = device::warp_sum(precision);
    if (threadIdx.x != 0) continue;
    const std::int64_t anomalies = job.found_before[row * (job.tiles + 1) + job.tiles], normals = job.n - anomalies;
    const double undefined = std::numeric_limits<double>::quiet_NaN();
    double* out = job.args.out.model(row / job.args.score.rows).row(row % job.args.score.rows);
    out[0] = anomalies == 0 || normals == 0
                 ? undefined
                 : static_cast<double>(wins) / (2.0 * static_cast<double>(anomalies) * static_cast<double>(normals));
    out[1] = anomalies == 0 ? undefined : precision / static_cast<double>(anomalies);
  }
}

/// Hands out pieces of a block of memory; without one (null) it only counts.
class Pieces {
 public:
  explicit Pieces(void* memory) : memory_(static_cast<unsigned char*>(memory)) {}
  template <class T>
  T* take(std::int64_t count) {
    const std::size_t at = bytes_;
    bytes_ += (sizeof(T) * static_cast<std::size_t>(count) + 63) / 64 * 64;
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + at);
  }
  std::size_t bytes() const { return bytes_; }

 private:
  unsigned char* memory_;
  std::size_t bytes_ = 0;
};

struct Plan {
  Job job;
  std::uint64_t* other_keys;
  void* temporary;
  std::size_t temporary_bytes, bytes;
  int key_bits;
};

Plan make_plan(const RankingMetrics& args, void* scratch) {
  Plan result = {};
  Job& job = result.job;
  job.args = args;
  job.rows = args.score.models * args.score.rows;
  job.n = args.score.columns;
  job.tiles = (job.n + tile_places - 1) / tile_places;
  result.key_bits = ranking_key_bits + device::bits_for(job.rows);
  result.temporary_bytes = device::sort_bytes(job.rows * job.n, result.key_bits);
  Pieces pieces(scratch);
  job.keys = pieces.take<std::uint64_t>(job.rows * job.n);
  result.other_keys = pieces.take<std::uint64_t>(job.rows * job.n);
  job.found = pieces.take<std::int32_t>(job.rows * job.n);
  job.found_before = pieces.take<std::int64_t>(job.rows * (job.tiles + 1));
  job.doubled_wins = pieces.take<std::int64_t>(job.rows * job.tiles);
  job.precisions = pieces.take<double>(job.rows * job.tiles);
  result.temporary = pieces.take<unsigned char>(static_cast<std::int64_t>(result.temporary_bytes));
  result.bytes = pieces.bytes();
  return result;
}

std::size_t ranking_workspace(const Context&, const RankingMetrics& args) {
  return args.score.models * args.score.rows == 0 ? 0 : make_plan(args, nullptr).bytes;
}

void run_ranking(Context& context, const RankingMetrics& args) {
  if (args.score.models * args.score.rows == 0) return;
  const Plan plan = make_plan(args, context.scratch(ranking_workspace(context, args)));
  Job job = plan.job;
  const std::int64_t enough = std::int64_t{blocks_per_multiprocessor} * device_limits(context).multiprocessors;
  const auto launch = [&](const char* name, void (*kernel)(Job), std::int64_t blocks, int threads) {
    device::LaunchShape shape;
    shape.grid = dim3(static_cast<unsigned>(std::min(blocks, enough)));
    shape.block = dim3(static_cast<unsigned>(threads));
    shape.shared_bytes = device::SharedLayout().add<std::int64_t>(tile_warps).add<double>(tile_warps).bytes();
    device::launch(context.stream(), name, shape, kernel, job);
  };
  launch("ranking keys", ranking_key_kernel, (job.rows * job.n + tile_places - 1) / tile_places, tile_places);
  job.keys = device::sort_keys(context.stream(), job.keys, plan.other_keys, job.rows * job.n, plan.key_bits,
                               plan.temporary, plan.temporary_bytes);
  launch("ranking counts", ranking_count_kernel, job.rows * job.tiles, tile_places);
  launch("ranking scan", ranking_scan_kernel, job.rows, device::warp_lanes);
  launch("ranking terms", ranking_term_kernel, job.rows * job.tiles, tile_places);
  launch("ranking results", ranking_result_kernel, job.rows, device::warp_lanes);
}

}  // namespace

OpEntry<RankingMetrics> ranking_metrics_entry() { return {run_ranking, ranking_workspace}; }

}  // namespace cugad::cuda
