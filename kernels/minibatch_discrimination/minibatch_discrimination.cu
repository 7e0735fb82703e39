#include "kernels/device/entries.hpp"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/elementary.hpp"

/// A block owns 16 rows i and one kernel of the projection, and walks over the rows j in tiles of 16: a thread per pair
/// (i, j) for the distances, whose terms it adds up over the tiles (interleaved sum j % 16, then a tree, as on the
/// CPU). The backward pass recomputes the distances rather than storing rows^2 numbers, and gathers: one term holds the
/// gradient of row i from row j in both directions, so there are no atomics. There a thread owns a row i and every 16th
/// dimension.
///
///   M [rows, kernel's dimensions] --32 at a time--> shared --> distance(i, j) --> exp --> sums over j --> out
///                                                      |            exp * (g_i + g_j) --> shared
///                                                      +---- sign of the difference -------+--> dM
namespace cugad::cuda {
namespace {

constexpr int tile = 16;          ///< rows of a block, and rows that are looked at together
constexpr int depth = 32;         ///< dimensions in shared memory at a time
constexpr int pitch = depth + 1;  ///< keeps lanes that walk down a column in different banks
constexpr int threads = tile * tile;
constexpr int lane_dimensions = depth / tile;  ///< of a thread in the backward pass

/// One kernel of one model's projection, seen by the block of rows [first_row, first_row + 16).
struct Block {
  MatrixView<const float> projection;
  std::int64_t dimensions, first_column, first_row;
  float *own, *other;  ///< shared: [16][pitch]
  int row, lane;       ///< thread (row, lane)

  __device__ void load(float* to, std::int64_t first, std::int64_t dimension) const {
    static_assert(tile * depth % threads == 0 && threads % depth == 0);
    const int c = static_cast<int>(threadIdx.x) % depth;
#pragma unroll
    for (int i = 0; i < tile * depth / threads; ++i) {
      const int r = static_cast<int>(threadIdx.x) / depth + i * (threads / depth);
      const bool inside = first + r < projection.rows && dimension + c < dimensions;
      to[r * pitch + c] = inside ? projection.row(first + r)[first_column + dimension + c] : 0.0f;
    }
  }

  /// The tiles of 32 dimensions of both rows, between barriers.
  __device__ void load_both(std::int64_t first, std::int64_t dimension) const {
    __syncthreads();  // all reads of the last ones are done
    load(own, first_row, dimension);
    load(other, first, dimension);
    __syncthreads();
  }

  /// exp(-distance) of this thread's pair (row, first + lane); 0 beyond the last row.
  __device__ float nearness(std::int64_t first) const {
    float distance = 0.0f;
    for (std::int64_t dimension = 0; dimension < dimensions; dimension += depth) {
      load_both(first, dimension);
      const int count = static_cast<int>(dimensions - dimension < depth ? dimensions - dimension : depth);
      for (int c = 0; c < count; ++c) distance += fabsf(own[row * pitch + c] - other[lane * pitch + c]);
    }
    return first + lane < projection.rows ? exp_negative(-distance) : 0.0f;
  }
};

constexpr device::SharedLayout block_layout() {
  return device::SharedLayout().add<float>(tile * pitch).add<float>(tile * pitch);
}

__device__ inline Block make_block(const StackView<const float>& projection, std::int32_t kernels, std::int64_t tiles,
                                   float* own, float* other) {
  Block block;
  block.dimensions = projection.columns / kernels;
  block.first_column = static_cast<std::int64_t>(blockIdx.x) / tiles * block.dimensions;
  block.first_row = static_cast<std::int64_t>(blockIdx.x) % tiles * tile;
  block.own = own;
  block.other = other;
  block.row = static_cast<int>(threadIdx.x) / tile;
  block.lane = static_cast<int>(threadIdx.x) % tile;
  return block;
}

struct ForwardArguments {
  MinibatchDiscrimination op;
  std::int64_t tiles;  ///< of rows
};

__global__ void __launch_bounds__(threads) discrimination_kernel(const __grid_constant__ ForwardArguments p) {
  device::SharedMemory shared;
  float* own = shared.take<float>(tile * pitch);
  float* other = shared.take<float>(tile * pitch);
  Block block = make_block(p.op.projection, p.op.kernels, p.tiles, own, other);
  const std::int64_t kernel = static_cast<std::int64_t>(blockIdx.x) / p.tiles, i = block.first_row + block.row;
  for (std::int64_t model = blockIdx.z; model < p.op.out.models; model += gridDim.z) {
    block.projection = p.op.projection.model(model);
    float sum = 0.0f;
    for (std::int64_t first = 0; first < p.op.out.rows; first += tile) sum += block.nearness(first);
#pragma unroll
    for (int half = tile / 2; half > 0; half /= 2) sum += __shfl_xor_sync(device::full_warp, sum, half);
    if (block.lane == 0 && i < p.op.out.rows) p.op.out.model(model).row(i)[kernel] = sum;
  }
}

struct BackwardArguments {
  MinibatchDiscriminationBackward op;
  std::int64_t tiles;
};

/// What row i gets from rows [first, first + 16) in this thread's dimensions; the tiles are in shared memory.
__device__ void add_pulls(const Block& block, const float* weight, float (&sum)[lane_dimensions][tile]) {
#pragma unroll
  for (int k = 0; k < lane_dimensions; ++k) {
    const int c = block.lane + k * tile;
    const float own = block.own[block.row * pitch + c];
#pragma unroll
    for (int j = 0; j < tile; ++j) {
      const float other = block.other[j * pitch + c], pull = weight[block.row * tile + j];
      sum[k][j] += own > other ? -pull : own < other ? pull : 0.0f;
    }
  }
}

/// dM of the block's rows in dimensions [dimension, dimension + 32).
__device__ void pull_rows(const Block& block, const MatrixView<const float>& gradient, std::int64_t kernel,
                          std::int64_t dimension, float* weight, const MatrixView<float>& out) {
  const std::int64_t i = block.first_row + block.row;
  float sum[lane_dimensions][tile] = {};
  for (std::int64_t first = 0; first < out.rows; first += tile) {
    const std::int64_t j = first + block.lane;
    const float near = block.nearness(first);
    const float own = i < out.rows ? gradient.row(i)[kernel] : 0.0f;
    const float other = j < out.rows ? gradient.row(j)[kernel] : 0.0f;
    weight[block.row * tile + block.lane] = near * (own + other);
    if (block.dimensions > depth) {
      block.load_both(first, dimension);
    } else {
      __syncthreads();  // the weights are there
    }
    add_pulls(block, weight, sum);  // the next distances begin with a barrier
  }
#pragma unroll
  for (int k = 0; k < lane_dimensions; ++k) {
    const float total = device::tree_sum(sum[k]);
    const std::int64_t c = dimension + block.lane + k * tile;
    if (i < out.rows && c < block.dimensions) out.row(i)[block.first_column + c] = total;
  }
}

__global__ void __launch_bounds__(threads) discrimination_backward_kernel(const __grid_constant__ BackwardArguments p) {
  device::SharedMemory shared;
  float* own = shared.take<float>(tile * pitch);
  float* other = shared.take<float>(tile * pitch);
  float* weight = shared.take<float>(threads);
  Block block = make_block(p.op.projection, p.op.kernels, p.tiles, own, other);
  const std::int64_t kernel = static_cast<std::int64_t>(blockIdx.x) / p.tiles;
  for (std::int64_t model = blockIdx.z; model < p.op.projection.models; model += gridDim.z) {
    block.projection = p.op.projection.model(model);
    for (std::int64_t dimension = 0; dimension < block.dimensions; dimension += depth) {
      pull_rows(block, p.op.out_gradient.model(model), kernel, dimension, weight,
                p.op.projection_gradient.model(model));
    }
  }
}

std::int64_t tiles_of(const StackView<const float>& projection) { return (projection.rows + tile - 1) / tile; }

device::LaunchShape shape_of(const StackView<const float>& projection, std::int32_t kernels, std::size_t bytes) {
  device::LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(tiles_of(projection) * kernels), 1, device::model_blocks(projection.models));
  shape.block = dim3(threads);
  shape.shared_bytes = bytes;
  return shape;
}

void run_discrimination(Context& context, const MinibatchDiscrimination& args) {
  if (args.out.models == 0 || args.out.rows == 0) return;
  const ForwardArguments p = {args, tiles_of(args.projection)};
  device::launch(context.stream(), "minibatch_discrimination",
                 shape_of(args.projection, args.kernels, block_layout().bytes()), discrimination_kernel, p);
}

void run_discrimination_backward(Context& context, const MinibatchDiscriminationBackward& args) {
  const StackView<const float>& projection = args.projection;
  if (projection.models == 0 || projection.rows == 0 || projection.columns == 0) return;
  const BackwardArguments p = {args, tiles_of(projection)};
  device::launch(context.stream(), "minibatch_discrimination_backward",
                 shape_of(projection, args.kernels, block_layout().add<float>(threads).bytes()),
                 discrimination_backward_kernel, p);
}

}  // namespace

OpEntry<MinibatchDiscrimination> minibatch_discrimination_entry() {
  return {run_discrimination, [](const Context&, const MinibatchDiscrimination&) -> std::size_t { return 0; }};
}
OpEntry<MinibatchDiscriminationBackward> minibatch_discrimination_backward_entry() {
  return {run_discrimination_backward,
          [](const Context&, const MinibatchDiscriminationBackward&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
