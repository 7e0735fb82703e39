#pragma once

#include "kernels/dense/tensor_tile.cuh"
#include "kernels/device/quad.cuh"

/// How panels reach a TensorTile: rounded once, on their way through registers to shared memory.
///
///   global --> registers (half a panel) --round--> stage t+1 | stage t --ldmatrix--> mma.sync
///
/// While a half of the panel in shared memory is multiplied, the next panel of one operand is on its way.
namespace cugad::cuda {

/// Four elements of a panel, rounded.
template <class Tile>
__device__ inline void put_rounded(typename Tile::Element* to, const float (&quad)[4]) {
  if constexpr (Tile::is_bf16) {
    *reinterpret_cast<uint2*>(to) =
        make_uint2(device::pack_bf16(quad[0], quad[1]), device::pack_bf16(quad[2], quad[3]));
  } else {
    *reinterpret_cast<uint4*>(to) = make_uint4(device::round_tf32(quad[0]), device::round_tf32(quad[1]),
                                               device::round_tf32(quad[2]), device::round_tf32(quad[3]));
  }
}

/// A thread's part in bringing the panels of one operand, in ascending order: quads of neighbouring elements.
template <class Tile, Order order, class Panel>
class RoundedLoad {
 public:
  __device__ explicit RoundedLoad(const Operand& operand)
      : operand_(operand), next_(first_row() * operand.stride + first_column()) {}

  /// Starts to read the next panel, of which k_left terms exist. What does not exist becomes 0 and is not read.
  __device__ void fetch(int k_left) {
    constexpr bool contiguous = order == Order::k_contiguous;
    const int rows = (contiguous ? operand_.indices : k_left) - first_row(),
              columns = (contiguous ? k_left : operand_.indices) - first_column();
    if (operand_.vectors && columns >= Panel::columns - first_column()) {
#pragma unroll
      for (int i = 0; i < count; ++i) device::load_quad(quads_[i], quad(i), i * down < rows ? 4 : 0, true);
    } else {
#pragma unroll
      for (int i = 0; i < count; ++i) device::load_quad(quads_[i], quad(i), i * down < rows ? columns : 0, false);
    }
    next_ += contiguous ? Tile::depth : Tile::depth * operand_.stride;
  }

  /// Rounds the fetched elements into a panel.
  __device__ void put(typename Tile::Element* panel) const {
    panel += first_row() * Panel::stride + first_column();
#pragma unroll
    for (int i = 0; i < count; ++i, panel += down * Panel::stride) {
      put_rounded<Tile>(panel, quads_[i]);
    }
  }

 private:
  static constexpr int across = Panel::columns / 4, down = Tile::threads / across, count = Panel::rows / down;
  static_assert(Tile::threads % across == 0 && Panel::rows % down == 0);
  static __device__ int first_row() { return static_cast<int>(threadIdx.x / across); }
  static __device__ int first_column() { return static_cast<int>(threadIdx.x % across) * 4; }

  __device__ const float* quad(int i) const { return operand_.data + (next_ + i * down * operand_.stride); }

  Operand operand_;
  std::int64_t next_;  ///< the thread's first element of the next panel
  float quads_[count][4];
};

/// Adds all terms k < k_count to the tile's sums. load.fetch(k_left) begins to read an operand's next panel, load.put
/// rounds it into shared memory; observe(first k of a panel, its depth) sees every panel.
template <Order left, Order right, class Tile, class LoadA, class LoadB, class Observer>
__device__ inline void multiply_rounded(Tile& tile, LoadA& load_a, LoadB& load_b, int k_count, float* shared,
                                        const Observer& observe) {
  using Left = LeftPanel<Tile, left>;
  using Right = RightPanel<Tile, right>;
  auto* const panels = reinterpret_cast<typename Tile::Element*>(shared);
  load_a.fetch(k_count);
  load_a.put(panels);
  load_b.fetch(k_count);
  load_b.put(panels + Left::elements);
  __syncthreads();  // the first panel is there for all threads
  typename Tile::Element *at = panels, *next = panels + Left::elements + Right::elements;
  for (int k_left = k_count; k_left > 0; k_left -= Tile::depth) {
    const bool more = k_left > Tile::depth;
    const auto half = [&](int which) {
#pragma unroll
      for (int k = 0; k < Tile::depth / 2; k += Tile::step)
        tile.template multiply<left, right>(at, at + Left::elements, which * (Tile::depth / 2) + k);
    };
    observe(k_count - k_left, more ? Tile::depth : k_left);
    if (more) load_a.fetch(k_left - Tile::depth);
    half(0);
    if (more) {
      load_a.put(next);
      load_b.fetch(k_left - Tile::depth);
    }
    half(1);
    if (more) load_b.put(next + Left::elements);
    __syncthreads();  // the next panel is there for all threads, and all are done with this one
    std::swap(at, next);
  }
}

/// The same for matrices; the observer sees panels of A as in the other multiply.
template <Order left, Order right, class Tile, class Observer>
requires(!std::is_same_v<typename Tile::Element, float>) __device__
    inline void multiply(Tile& tile, const Operand& a, const Operand& b, int k_count, float* shared,
                         Observer& observe) {
  RoundedLoad<Tile, left, LeftPanel<Tile, left>> load_a(a);
  RoundedLoad<Tile, right, RightPanel<Tile, right>> load_b(b);
  multiply_rounded<left, right>(tile, load_a, load_b, k_count, shared,
                                [&](int k, int depth) { observe(a.data + k * a.stride, a.stride, depth); });
}

}  // namespace cugad::cuda
