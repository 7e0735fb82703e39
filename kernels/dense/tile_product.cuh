#pragma once

#include <cstdint>

#include "kernels/device/shared_memory.cuh"
#include "kernels/device/tile_load.cuh"

/// The matrix product of the dense layers: C(m, n) = start(n) + sum over k of A(m, k) B(n, k), one tile of C per block.
/// Panels of A and B flow through shared memory in three stages:
///
///   global --cp.async--> stage t+2 | stage t+1 (landing) | stage t --> registers (fp32: FMA, else: mma.sync)
///
/// one barrier per panel. How the sums are formed is the Tile's business (simt_tile.cuh, tensor_tile.cuh); every tile
/// shape of a precision adds the terms of an element in the same order, so that no result depends on the shape.
namespace cugad::cuda {

/// Which index of an operand is contiguous in memory: k (a row per m or n) or m or n (a row per k).
enum class Order { k_contiguous, k_strided };

/// One operand of a block's tile.
struct Operand {
  const float* data;    ///< element (first index of the tile, k = 0)
  std::int64_t stride;  ///< between rows, in elements
  int indices;          ///< how many m or n exist from the tile's first on
  bool vectors;         ///< rows start at multiples of 16 bytes
};

/// A panel in shared memory: `extent` indices x Tile::depth, padded against bank conflicts.
template <class Tile, Order order, int extent>
struct PanelLayout {
  static constexpr int rows = order == Order::k_contiguous ? extent : Tile::depth;
  static constexpr int columns = order == Order::k_contiguous ? Tile::depth : extent;
  static constexpr int stride =
      columns + (order == Order::k_contiguous ? Tile::contiguous_padding : Tile::strided_padding);
  static constexpr int elements = rows * stride;  ///< of type Tile::Element
};

template <class Tile, Order order>
using LeftPanel = PanelLayout<Tile, order, Tile::rows>;
template <class Tile, Order order>
using RightPanel = PanelLayout<Tile, order, Tile::columns>;

/// Floats between the rows of a finished tile in shared memory.
template <class Tile>
constexpr int sums_stride = Tile::columns + 4;

/// Floats of shared memory of one product. The finished tile replaces the stages.
template <class Tile, Order left, Order right>
constexpr std::size_t product_floats() {
  constexpr std::size_t panels = Tile::stages * (LeftPanel<Tile, left>::elements + RightPanel<Tile, right>::elements) *
                                 sizeof(typename Tile::Element) / sizeof(float);
  constexpr std::size_t sums = Tile::rows * sums_stride<Tile>;
  return panels > sums ? panels : sums;
}

/// The panels of one operand, copied to shared memory in ascending order.
template <class Tile, Order order, class Layout, int interleave>
class PanelLoad {
 public:
  __device__ PanelLoad(float* shared, const Operand& operand)
      : tiles_(shared, operand.data, operand.stride, operand.vectors), indices_(operand.indices) {}
  /// Starts the copies of the next panel, of which k_left > 0 terms exist from its first on.
  __device__ void start(int at, int k_left) {
    if constexpr (order == Order::k_contiguous) {
      tiles_.start(at, indices_, k_left);
      tiles_.advance_right();
    } else {
      tiles_.start(at, k_left, indices_);
      tiles_.advance_down();
    }
  }

 private:
  static constexpr int side_by_side = order == Order::k_contiguous ? interleave : 1;
  device::TileLoad<Layout::rows, Layout::columns, Layout::stride, Tile::threads, side_by_side> tiles_;
  int indices_;
};

/// What else is done with a panel of A while it is in shared memory: nothing.
struct NoObserver {
  __device__ void operator()(const float*, std::int64_t, int) const {}
};

/// Adds all terms k < k_count to the tile's sums. load.start(stage, k_left) begins to bring an operand's next panel to
/// shared memory; observe(panel of A, its row stride, its depth) sees every panel of A.
template <Order left, Order right, class Tile, class LoadA, class LoadB, class Observer>
__device__ inline void multiply_panels(Tile& tile, LoadA& load_a, LoadB& load_b, int k_count, float* shared,
                                       Observer& observe) {
  using Left = LeftPanel<Tile, left>;
  using Right = RightPanel<Tile, right>;
  constexpr int stage_elements = Left::elements + Right::elements;
  const int panels = (k_count + Tile::depth - 1) / Tile::depth;
  const auto start = [&](int panel, int stage) {
    if (panel < panels) {
      const int k_left = k_count - panel * Tile::depth;
      load_a.start(stage * stage_elements, k_left);
      load_b.start(stage * stage_elements, k_left);
    }
    device::copy_async_commit();  // also without copies: the wait counts groups
  };
  for (int s = 0; s < Tile::stages - 1; ++s) start(s, s);
  int stage = 0;
  for (int panel = 0; panel < panels; ++panel) {
    device::copy_async_wait<Tile::stages - 2>();
    __syncthreads();  // this panel has landed for all threads, and all are done with the one before
    start(panel + Tile::stages - 1, stage == 0 ? Tile::stages - 1 : stage - 1);
    const float* const at = shared + stage * stage_elements;
    const int depth = panel < panels - 1 ? Tile::depth : (k_count - 1) % Tile::depth + 1;
    observe(at, Left::stride, depth);
    tile.template multiply<left, right>(at, at + Left::elements, depth);
    stage = stage == Tile::stages - 1 ? 0 : stage + 1;
  }
}

/// The same for matrices.
template <Order left, Order right, class Tile, class Observer>
__device__ inline void multiply(Tile& tile, const Operand& a, const Operand& b, int k_count, float* shared,
                                Observer& observe) {
  using Left = LeftPanel<Tile, left>;
  using Right = RightPanel<Tile, right>;
  PanelLoad<Tile, left, Left, Tile::left_interleave> load_a(shared, a);
  PanelLoad<Tile, right, Right, Tile::right_interleave> load_b(shared + Left::elements, b);
  multiply_panels<left, right>(tile, load_a, load_b, k_count, shared, observe);
}

/// Stores `count` of `width` values; as one vector if all exist (`to` is then aligned).
template <int width>
__device__ inline void store_values(float* to, const float (&values)[width], int count) {
  if constexpr (width == 4) {
    if (count == 4) {
      *reinterpret_cast<float4*>(to) = make_float4(values[0], values[1], values[2], values[3]);
      return;
    }
  } else if constexpr (width == 2) {
    if (count == 2) {
      *reinterpret_cast<float2*>(to) = make_float2(values[0], values[1]);
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < width; ++i) {
    if (i < count) to[i] = values[i];
  }
}

/// Puts the finished sums into shared memory and hands them out as groups of `width` neighbouring columns, neighbouring
/// groups to neighbouring threads: keep(row, column, count, sums), count <= width of them exist.
template <int width, class Tile, class Keep>
__device__ inline void hand_out(const float* sums, int rows, int columns, const Keep& keep) {
  constexpr int groups = Tile::columns / width;
#pragma unroll 1
  for (int at = static_cast<int>(threadIdx.x); at < rows * groups; at += Tile::threads) {
    const int r = at / groups, c = at % groups * width;
    if (c >= columns) continue;
    keep(r, c, columns - c < width ? columns - c : width, sums + r * sums_stride<Tile> + c);
  }
}

/// The number of existing indices among `extent`, if the matrix has `left` more.
__device__ inline int existing(std::int64_t left, int extent) {
  return left < extent ? static_cast<int>(left) : extent;
}

/// The tile's sums in shared memory, complete for all threads.
template <class Tile>
__device__ inline void publish(const Tile& tile, float* shared) {
  device::copy_async_wait<0>();
  __syncthreads();  // the stages are no longer read
  tile.store(shared);
  __syncthreads();
}

}  // namespace cugad::cuda
