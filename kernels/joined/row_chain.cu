#include <algorithm>

#include "cugad/device.hpp"
#include "kernels/dense/simt_tile.cuh"
#include "kernels/dense/tile_choice.cuh"
#include "kernels/device/dropout.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/joined/row_chain.cuh"
#include "kernels/random/normal.hpp"
#include "kernels/sigmoid_cross_entropy/terms.hpp"

/// The layers of small networks, forward and backward, with the ops between them, in one launch: a block owns 8 rows of
/// one model and runs op after op on them. The next op finds the results of the last one in the cache, after a barrier.
/// Products are those of dense_forward and dense_backward, with tiles for 8 rows: each element is the same chain of
/// multiply-adds, so that all bits are those of the ops alone.
namespace cugad::cuda {
namespace {

/// Tiles for layers of up to Wide::columns units at once; of Narrow's rows chain_rows exist.
template <class WideTile, class NarrowTile>
struct ChainTiles {
  using Wide = WideTile;
  using Narrow = NarrowTile;
  static constexpr int threads = Wide::threads;
  static_assert(Narrow::threads == threads && Wide::rows == chain_rows && Narrow::rows >= chain_rows);
  static constexpr std::size_t shared_floats =
      std::max({product_floats<Wide, Order::k_contiguous, Order::k_contiguous>(),
                product_floats<Wide, Order::k_contiguous, Order::k_strided>(),
                product_floats<Narrow, Order::k_contiguous, Order::k_contiguous>()});
};
using UsualTiles = ChainTiles<SimtTile<chain_rows, 128, 2, 2, 32>, SimtTile<64, narrow_outputs, 1, 1, 64>>;
using SmallTiles = ChainTiles<SimtTile<chain_rows, 32, 2, 2, 32>, SimtTile<16, narrow_outputs, 1, 1, 64>>;

/// The rows of an op that a block owns: [first, first + count).
struct Share {
  std::int64_t model;
  int first, count;
};

/// keep(row, column) for each element of the share, `columns` wide.
template <class Keep>
__device__ inline void each_element(const Share& share, int columns, const Keep& keep) {
#pragma unroll 1
  for (int at = static_cast<int>(threadIdx.x); at < share.count * columns; at += static_cast<int>(blockDim.x))
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
template <class Tile>
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
  for (int column = 0; column < op.in; column += Tile::columns) {
    if (column > 0) __syncthreads();  // the memory of the tile before is used again
    const int columns = existing(op.in - column, Tile::columns);
    Tile tile;
    NoObserver nothing;
    tile.begin(nullptr, 0);
    multiply<Order::k_contiguous, Order::k_strided>(
        tile, {op.output.row(share.model, share.first), op.output.row_stride, share.count, op.output_vectors},
        {op.weight.row(share.model, 0) + column, op.weight.row_stride, columns, op.weight_vectors}, op.out, shared,
        nothing);
    publish(tile, shared);
    hand_out<1, Tile>(shared, share.count, columns, [&](int r, int c, int, const float* sums) {
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

template <class Tiles>
__device__ inline void run_op(const RowOp& op, const Share& share, float* shared) {
  const auto each = [&](const auto& value) {
    each_element(share, op.out, [&](int r, int c) { op.output.row(share.model, r)[c] = value(r, c); });
  };
  switch (op.kind) {
    case RowKind::forward:
      return op.out <= narrow_outputs ? run_forward<typename Tiles::Narrow>(op, share, shared)
                                      : run_forward<typename Tiles::Wide>(op, share, shared);
    case RowKind::backward:
      return run_backward<typename Tiles::Wide>(op, share, shared);
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

template <class Tiles>
__global__ void __launch_bounds__(Tiles::threads, 2) row_chain_kernel(const __grid_constant__ RowChain chain) {
  float* const shared = device::SharedMemory().take<float>(Tiles::shared_floats);
  const int first = static_cast<int>(blockIdx.x) * chain_rows;
  device::wait_for_earlier_work();
#pragma unroll 1
  for (int i = 0; i < chain.ops; ++i) {
    const RowOp& op = chain.op[i];
    const int from = max(first, op.first), to = min(first + chain_rows, op.first + op.rows);
    if (from >= to) continue;
    run_op<Tiles>(op, {static_cast<std::int64_t>(blockIdx.z), from - op.first, to - from}, shared);
    __syncthreads();  // the next op reads what this one wrote
  }
}

}  // namespace

void launch_row_chain(Context& context, const RowChain& chain, std::int64_t models) {
  int rows = 0, units = 0;
  for (int i = 0; i < chain.ops; ++i) {
    const RowOp& op = chain.op[i];
    rows = std::max(rows, op.first + op.rows);
    units = std::max(units, op.out);
    if (op.kind == RowKind::backward && op.other.data != nullptr) units = std::max(units, op.in);
  }
  const auto launch = [&]<class Tiles>() {
    device::LaunchShape shape;
    shape.grid = dim3(device::blocks_for(rows, chain_rows), 1, static_cast<unsigned>(models));
    shape.block = dim3(Tiles::threads);
    shape.shared_bytes = device::SharedLayout().add<float>(Tiles::shared_floats).bytes();
    shape.waits = true;
    device::launch(context.stream(), "chain of row ops", shape, row_chain_kernel<Tiles>, chain);
  };
  if (units <= SmallTiles::Wide::columns) {
    launch.template operator()<SmallTiles>();
  } else {
    launch.template operator()<UsualTiles>();
  }
}

}  // namespace cugad::cuda
