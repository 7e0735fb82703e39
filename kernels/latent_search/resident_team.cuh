#pragma once

#include "kernels/latent_search/resident_networks.cuh"
#include "kernels/latent_search/resident_rounds.cuh"

/// How the columns of a layer are split over the warps that search the same 16 rows. Warp w has the blocks of 16
/// columns w, w + size, ...; the next product reads the others' blocks from shared memory, in the order of registers.
/// One warp computes each sum from its first term to its last: the same bits as those of a warp alone.
namespace cugad::cuda {

template <class Element, class N, int size>
class ResidentTeam {
  using Pair = typename Element::Pair;
  using Word = typename Element::Word;
  using Rounds = ResidentRounds<Element>;
  using Block = ResidentBlock<Element>;
  static constexpr int round = Element::round;

 public:
  /// How many of `blocks` a warp has.
  static constexpr int share(int blocks) { return blocks / size; }
  static constexpr bool alone = size == 1;

  __device__ explicit ResidentTeam(Block* exchange)
      : exchange_(exchange), warp_(alone ? 0 : static_cast<int>(threadIdx.x) / device::warp_lanes) {}

  /// The one warp that does work needed once.
  __device__ bool leads() const { return alone || warp_ == 0; }
  __device__ bool owns(int block) const { return alone || block % size == warp_; }
  /// Which block is number `i` of the share.
  __device__ int block(int i) const { return alone ? i : i * size + warp_; }
  __device__ static void meet() {
    if (!alone) __syncthreads();
  }

  /// All blocks of a layer from everybody's own.
  template <int blocks>
  __device__ __forceinline__ void gather(Pair (&all)[blocks][4], const Pair (&own)[blocks / size][4]) const {
    if constexpr (alone) {
#pragma unroll
      for (int b = 0; b < blocks; ++b) copy(all[b], own[b]);
    } else {
      meet();  // earlier exchanges have been read
#pragma unroll
      for (int i = 0; i < share(blocks); ++i) copy(slot(block(i)).pairs, own[i]);
      meet();
#pragma unroll
      for (int b = 0; b < blocks; ++b) copy(all[b], slot(b).pairs);
    }
  }

  /// The activations of the share as operands, everybody's; and their signs.
  template <class Signs, int width>
  __device__ __forceinline__ Signs activate(Pair (&all)[width][4], float (&sum)[2 * share(width)][4],
                                            float slope) const {
    Pair own[share(width)][4];
    Signs positive = 0;
#pragma unroll
    for (int i = 0; i < share(width); ++i) {
      const unsigned bits = Rounds::activate(sum[2 * i], sum[2 * i + 1], slope);
      positive |= static_cast<Signs>(bits) << (8 * i);
      Rounds::pack(own[i], sum[2 * i], sum[2 * i + 1]);
    }
    gather(all, own);
    return positive;
  }

  /// The share's gradients through the activation as operands, everybody's.
  template <int width, class Signs>
  __device__ __forceinline__ void derive(Pair (&all)[width][4], float (&sum)[2 * share(width)][4], float slope,
                                         Signs positive) const {
    Pair own[share(width)][4];
#pragma unroll
    for (int i = 0; i < share(width); ++i) {
      Rounds::derive(sum[2 * i], sum[2 * i + 1], slope, static_cast<unsigned>(positive >> (8 * i)));
      Rounds::pack(own[i], sum[2 * i], sum[2 * i + 1]);
    }
    gather(all, own);
  }

  /// total += the products of all rounds of an intermediate layer with the share's columns of the weights: produce(a,
  /// round, i) leaves a round's operand in `a`, `i` being its number in the share. The weights come in `parts`, each
  /// with its rounds' columns (backward: rows): open(part) leaves them at `weight`.
  template <class Matrix, bool backward, int rounds, int parts = 1, int tiles, class Produce, class Open>
  __device__ __forceinline__ void through(float (&total)[tiles][4], Word* const& weight, int lane_offset,
                                          const Produce& produce, const Open& open) const {
    constexpr int turns = rounds / parts / size;  // of a part
    static_assert(rounds % (parts * size) == 0 && (alone || round == 16));
    meet();  // earlier exchanges have been read
    const auto pass = [&](int part) {
#pragma unroll 1
      for (int turn = 0; turn < turns; ++turn) {
        const int i = part * turns + turn;
        if constexpr (alone) {
          Pair a[round / 16][4];
          produce(a, i, i);
          spread_round<Element, Matrix, backward>(total, a, weight, lane_offset, round * turn);
        } else {
          const int half = i % 2 * size;  // every warp that writes here has synchronised with the readers
          Pair a[1][4];
          produce(a, block(i), i);
          copy(slot(half + warp_).pairs, a[0]);
          meet();
#pragma unroll
          for (int other = 0; other < size; ++other) {
            copy(a[0], slot(half + other).pairs);
            spread_round<Element, Matrix, backward>(total, a, weight, lane_offset, 16 * (turn * size + other), warp_,
                                                    size);
          }
        }
      }
    };
    if constexpr (parts == 1) {
      open(0);
      pass(0);  // a loop of one turn would cost its instructions
    } else {
#pragma unroll 1
      for (int part = 0; part < parts; ++part) {
        open(part);
        pass(part);
      }
    }
  }
  template <class Matrix, bool backward, int rounds, int tiles, class Produce>
  __device__ __forceinline__ void through(float (&total)[tiles][4], Word* const& weight, int lane_offset,
                                          const Produce& produce) const {
    through<Matrix, backward, rounds, 1>(total, weight, lane_offset, produce, [](int) {});
  }

 private:
  __device__ Block& slot(int block) const {
    return exchange_[block * device::warp_lanes + static_cast<int>(threadIdx.x) % device::warp_lanes];
  }
  __device__ __forceinline__ static void copy(Pair (&to)[4], const Pair (&from)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = from[i];
  }

  Block* exchange_;
  int warp_;
};

}  // namespace cugad::cuda
