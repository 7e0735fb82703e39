#include <algorithm>

#include "cugad/device.hpp"
#include "kernels/dense/simt_tile.cuh"
#include "kernels/dense/tile_choice.cuh"
#include "kernels/device/dropout.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/joined/row_chain.cuh"
#include "kernels/random/normal.hpp"
#include "kernels/sigmoid_cross_entropy/terms.hpp"

/// The layers of small networks, forward and backward, with what stands between them, in one launch: a block owns 8
/// rows of one model and runs op after op on them. What an op leaves in global memory the next one finds in the cache;
/// a barrier stands between them. Products are those of dense_forward and dense_backward, with tiles for 8 rows: each
/// element is the same chain of multiply-adds, so that all bits are those of the ops alone.
namespace cugad::cuda {
namespace {

using WideTile = SimtTile<chain_rows, 128, 2, 2, 32>;
using NarrowTile = SimtTile<64, narrow_outputs, 1, 1, 64>;  // of which chain_rows rows exist
constexpr int threads = WideTile::threads;
static_assert(NarrowTile::threads == threads);

constexpr std::size_t shared_floats =
    std::max({product_floats<WideTile, Order::k_contiguous, Order::k_contiguous>(),
              product_floats<WideTile, Order::k_contiguous, Order::k_strided>(),
              product_floats<NarrowTile, Order::k_contiguous, Order::k_contiguous>()});

/// The rows of an op that a block owns: [first, first + count).
struct Share {
  std::int64_t model;
  int first, count;
};

/// keep(row, column) for each element of the share, `columns` wide.
template <class Keep>
__device__ inline void each_element(const Share& share, int columns, const Keep& keep) {
#pragma unroll 1
  for (int at = static_cast<int>(threadIdx.x); at < share.count * columns; at += threads)
    keep(share.first + at / columns, at % columns);
}

template <class Tile>
__device__ inline void run_forward(const RowOp& op, const Share& share, float* shared) {
#pragma unroll 1
  for (int column = 0; column < op.out; column += Tile::columns) {
    if (column > 0) __syncthreads();  // the memory of the tile before is used again
    const int columns = existing(op.out - column, Tile::columns);
    Tile tile;
    NoObserver nothing;
    tile.begin(op.bias.data == nullptr ? nullptr : op.bias.row(share.model, 0) + column, columns);
    multiply<Order::k_contiguous, Order::k_contiguous>(
        tile, {op.input.row(share.model, share.first), op.input.row_stride, share.count, op.input_vectors},
        {op.weight.row(share.model, column), op.weight.row_stride, columns, op.weight_vectors}, op.in, shared, nothing);
    publish(tile, shared);
    hand_out<1, Tile>(shared, share.count, columns, [&](int r, int c, int count, const float* sums) {
      const std::int64_t row = share.first + r;
      const int unit = column + c;
      const float* const h = op.other.data == nullptr ? nullptr : op.other.row(share.model, row) + unit;
      finish_units<1>(op.ending, share.model, static_cast<std::uint64_t>(row * op.out + unit), h,
                      op.output.row(share.model, row) + unit, count, sums);
    });
  }
}

/// dH in place of dY, then dX = dH W.
__device__ inline void run_backward(const RowOp& op, const Share& share, float* shared) {
  const ForwardEnding& layer = op.ending;
  if (layer.activation != Activation::identity || layer.dropout.rate != 0.0f) {
    each_element(share, op.out, [&](int r, int c) {
      float& dy = op.output.row(share.model, r)[c];
      const float y = op.input.row(share.model, r)[c];
      dy = device::activation_gradient(layer.activation, layer.slope, layer.dropout.rate, y, dy);
    });
    __syncthreads();
  }
  if (op.other.data == nullptr) return;
#pragma unroll 1
  for (int column = 0; column < op.in; column += WideTile::columns) {
    if (column > 0) __syncthreads();  // the memory of the tile before is used again
    const int columns = existing(op.in - column, WideTile::columns);
    WideTile tile;
    NoObserver nothing;
    tile.begin(nullptr, 0);
    multiply<Order::k_contiguous, Order::k_strided>(
        tile, {op.output.row(share.model, share.first), op.output.row_stride, share.count, op.output_vectors},
        {op.weight.row(share.model, 0) + column, op.weight.row_stride, columns, op.weight_vectors}, op.out, shared,
        nothing);
    publish(tile, shared);
    hand_out<1, WideTile>(shared, share.count, columns, [&](int r, int c, int, const float* sums) {
      op.other.row(share.model, share.first + r)[column + c] = *sums;
    });
  }
}

__device__ inline float normal_number(const RowOp& op, std::int64_t model, std::int64_t element) {
  const uint4 words = device::random_block(op.ending.dropout.key, model, static_cast<std::uint64_t>(element / 4));
  const bool upper = element % 4 >= 2;
  const NormalPair pair = box_muller(upper ? words.z : words.x, upper ? words.w : words.y);
  return multiply_add(op.target, element % 2 == 0 ? pair.cosine : pair.sine, op.value);
}

__device__ inline void run_op(const RowOp& op, const Share& share, float* shared) {
  const auto each = [&](const auto& value) {
    each_element(share, op.out, [&](int r, int c) { op.output.row(share.model, r)[c] = value(r, c); });
  };
  switch (op.kind) {
    case RowKind::forward:
      return op.out <= narrow_outputs ? run_forward<NarrowTile>(op, share, shared)
                                      : run_forward<WideTile>(op, share, shared);
    case RowKind::backward:
      return run_backward(op, share, shared);
    case RowKind::cross_entropy:
      return each([&](int r, int c) {
        return op.value * cross_entropy_terms(op.input.row(share.model, r)[c], op.target).slope;
      });
    case RowKind::constant:
      return each([&](int, int) { return op.value; });
    case RowKind::normal:
      return each([&](int r, int c) { return normal_number(op, share.model, std::int64_t{r} * op.out + c); });
    case RowKind::gather:
      return each([&](int r, int c) {
        const std::int32_t index = *reinterpret_cast<const std::int32_t*>(op.other.row(share.model, r));
        return op.input.row(share.model, index < 0 ? 0 : index >= op.in ? op.in - 1 : index)[c];
      });
  }
}

__global__ void __launch_bounds__(threads, 2) row_chain_kernel(const __grid_constant__ RowChain chain) {
  float* const shared = device::SharedMemory().take<float>(shared_floats);
  const int first = static_cast<int>(blockIdx.x) * chain_rows;
  device::wait_for_earlier_work();
#pragma unroll 1
  for (int i = 0; i < chain.ops; ++i) {
    const RowOp& op = chain.op[i];
    const int from = max(first, op.first), to = min(first + chain_rows, op.first + op.rows);
    if (from >= to) continue;
    run_op(op, {static_cast<std::int64_t>(blockIdx.z), from - op.first, to - from}, shared);
    __syncthreads();  // the next op reads what this one wrote
  }
}

}  // namespace

void launch_row_chain(Context& context, const RowChain& chain, std::int64_t models) {
  int rows = 0;
  for (int i = 0; i < chain.ops; ++i) rows = std::max(rows, chain.op[i].first + chain.op[i].rows);
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(rows, chain_rows), 1, static_cast<unsigned>(models));
  shape.block = dim3(threads);
  shape.shared_bytes = device::SharedLayout().add<float>(shared_floats).bytes();
  shape.waits = true;
  device::launch(context.stream(), "chain of row ops", shape, row_chain_kernel, chain);
}

}  // namespace cugad::cuda
