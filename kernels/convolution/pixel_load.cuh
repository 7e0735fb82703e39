#pragma once

#include <cstdint>

#include "kernels/convolution/geometry.hpp"
#include "kernels/dense/tensor_product.cuh"
#include "kernels/dense/tile_choice.cuh"

/// Panels of images for the matrix product of the dense layers: one index runs over the pixels of a phase, the other
/// over its taps and the channels of the image that they read. Nothing is unfolded in global memory:
///
///   address = place of the pixel + place of the tap, existing if both coordinates of the sum lie in the image.
namespace cugad::cuda {

/// Where something lies in the images of one model. Places of pixels and of taps add up.
struct Spot {
  std::int64_t offset;
  std::int32_t y, x;
};

/// The images of one model as the pixels of a phase read them.
struct PixelOperand {
  const float* data;
  std::int64_t row_stride;
  ImageShape image;
  convolution::Axis y, x;
  std::int64_t first_row;  ///< pixel 0 is the first of this row
  bool vectors;            ///< four channels are 16 aligned bytes

  __device__ Spot at(std::int32_t line, std::int32_t column, std::int64_t rest) const {
    return {(std::int64_t{line} * image.width + column) * image.channels + rest, line, column};
  }
  __device__ bool has(const Spot& spot) const {
    return static_cast<unsigned>(spot.y) < static_cast<unsigned>(image.height) &&
           static_cast<unsigned>(spot.x) < static_cast<unsigned>(image.width);
  }
};

/// A pixel of the phase, numbered image after image.
class PixelCursor {
 public:
  __device__ PixelCursor(const PixelOperand& of, std::int64_t pixel) {
    const std::int64_t per_image = std::int64_t{of.y.count} * of.x.count;
    row_ = of.first_row + pixel / per_image;
    const auto rest = static_cast<std::int32_t>(pixel % per_image);
    y_ = rest / of.x.count;
    x_ = rest % of.x.count;
  }
  __device__ Spot spot(const PixelOperand& of) const {
    return of.at(of.y.origin + y_ * of.y.move, of.x.origin + x_ * of.x.move, row_ * of.row_stride);
  }
  __device__ void advance(const PixelOperand& of, int pixels) {
    x_ += pixels;
    while (x_ >= of.x.count) {
      x_ -= of.x.count;
      if (++y_ == of.y.count) {
        y_ = 0;
        ++row_;
      }
    }
  }

 private:
  std::int64_t row_;
  std::int32_t y_, x_;
};

/// A channel of a tap of the phase, numbered tap after tap.
class TapCursor {
 public:
  __device__ TapCursor(const PixelOperand& of, int element) {
    const int tap = element / of.image.channels;
    channel_ = element % of.image.channels;
    const int across = of.x.taps > 0 ? of.x.taps : 1;  // a phase may have none
    y_ = tap / across;
    x_ = tap % across;
  }
  __device__ Spot spot(const PixelOperand& of) const { return of.at(y_ * of.y.turn, x_ * of.x.turn, channel_); }
  __device__ void advance(const PixelOperand& of, int elements) {
    channel_ += elements;
    while (channel_ >= of.image.channels) {
      channel_ -= of.image.channels;
      if (++x_ == of.x.taps) {
        x_ = 0;
        ++y_;
      }
    }
  }

 private:
  std::int32_t channel_, y_, x_;
};

__device__ inline Spot operator+(const Spot& a, const Spot& b) { return {a.offset + b.offset, a.y + b.y, a.x + b.x}; }
__device__ inline Spot nowhere() { return {0, -(1 << 30), 0}; }

/// A thread's part in the panels of one operand, in ascending order of k: quads of neighbouring elements of a panel's
/// rows. With k contiguous k runs over taps and the index over pixels, with k strided the other way round.
template <class Tile, Order order, class Panel>
class PixelQuads {
 public:
  /// `first` is the tile's first index; `indices` of them exist.
  __device__ PixelQuads(const PixelOperand& of, std::int64_t first, int indices)
      : of_(of), moving_(of, order == Order::k_contiguous ? quad_column() : row()) {
#pragma unroll
    for (int i = 0; i < fixed; ++i) {
      if constexpr (order == Order::k_contiguous) {
        const int index = row() + i * down;
        fixed_[i] = index < indices ? PixelCursor(of, first + index).spot(of) : nowhere();
      } else {
        const int index = quad_column() + i;
        fixed_[i] = index < indices ? TapCursor(of, static_cast<int>(first) + index).spot(of) : nowhere();
      }
    }
  }

  static constexpr int across = Panel::columns / 4, down = Tile::threads / across;
  static constexpr int rounds = Panel::rows > down ? Panel::rows / down : 1;
  static __device__ int row() { return static_cast<int>(threadIdx.x) / across; }
  static __device__ int quad_column() { return static_cast<int>(threadIdx.x) % across * 4; }

  /// Calls four(round, address, exists) or one(round, element, address, exists) for the quads of the next panel, of
  /// which k_left terms exist. What does not exist has an address that must not be read.
  template <class Four, class One>
  __device__ void next(int k_left, const Four& four, const One& one) {
    if (down > Panel::rows && row() >= Panel::rows) return;
    if constexpr (order == Order::k_contiguous) {
      Cursor at = moving_;
      if (of_.vectors) {
        const Spot tap = at.spot(of_);
#pragma unroll
        for (int i = 0; i < rounds; ++i)
          four(i, address(fixed_[i] + tap), quad_column() < k_left && of_.has(fixed_[i] + tap));
      } else {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const Spot tap = at.spot(of_);
#pragma unroll
          for (int i = 0; i < rounds; ++i)
            one(i, e, address(fixed_[i] + tap), quad_column() + e < k_left && of_.has(fixed_[i] + tap));
          at.advance(of_, 1);
        }
      }
      moving_.advance(of_, Tile::depth);
    } else {
#pragma unroll
      for (int i = 0; i < rounds; ++i) {
        const Spot pixel = moving_.spot(of_);
        const bool exists = row() + i * down < k_left;
        if (of_.vectors) {
          four(i, address(fixed_[0] + pixel), exists && of_.has(fixed_[0] + pixel));
        } else {
#pragma unroll
          for (int e = 0; e < 4; ++e) one(i, e, address(fixed_[e] + pixel), exists && of_.has(fixed_[e] + pixel));
        }
        moving_.advance(of_, rounds == 1 ? Tile::depth : down);
      }
    }
  }

 private:
  using Cursor = std::conditional_t<order == Order::k_contiguous, TapCursor, PixelCursor>;
  static constexpr int fixed = order == Order::k_contiguous ? rounds : 4;
  static_assert(Tile::threads % across == 0 && (rounds == 1 || Panel::rows % down == 0));

  /// A number, which is no pointer if nothing exists there.
  __device__ std::uintptr_t address(const Spot& spot) const {
    return reinterpret_cast<std::uintptr_t>(of_.data) + static_cast<std::uintptr_t>(spot.offset * 4);
  }

  PixelOperand of_;
  Cursor moving_;
  Spot fixed_[fixed];
};

/// A product of pixels on tensor cores has the smaller tiles: a thread needs registers for the places of its pixels.
template <class Blocks, class WithTile>
void choose_pixel_tile(const Context& context, const Blocks& blocks, const WithTile& with_tile) {
  switch (context.precision()) {
    case Precision::fp32:
      return choose_tile(SimtTiles(), context, blocks, with_tile);
    case Precision::tf32:
      return with_tile.template operator()<TensorTile<Precision::tf32, 64, 64, 32, 32>>();
    case Precision::bf16:
      return with_tile.template operator()<TensorTile<Precision::bf16, 64, 64, 32, 32>>();
  }
}
/// Blocks of such a tile that a multiprocessor must be able to hold: fewer than of a matrix, for the same reason.
template <class Tile>
constexpr int resident_blocks = Tile::resident_blocks * 3 / 4;

/// Adds the products of a tile, whichever way its loads work.
template <Order left, Order right, class Tile, class LoadA, class LoadB>
__device__ inline void add_products(Tile& tile, LoadA& a, LoadB& b, int k_count, float* shared) {
  if constexpr (std::is_same_v<typename Tile::Element, float>) {
    NoObserver nothing;
    multiply_panels<left, right>(tile, a, b, k_count, shared, nothing);
  } else {
    multiply_rounded<left, right>(tile, a, b, k_count, shared, [](int, int) {});
  }
}

/// Brings panels of float32 to shared memory by asynchronous copies; as PanelLoad.
template <class Tile, Order order, class Panel, int interleave>
class PixelLoad {
 public:
  __device__ PixelLoad(float* shared, const PixelOperand& of, std::int64_t first, int indices)
      : quads_(of, first, indices), to_(shared + place(Quads::row()) * Panel::stride + Quads::quad_column()) {}
  __device__ void start(int at, int k_left) {
    const auto to = [&](int round) {
      constexpr int apart = side_by_side > 1 ? Quads::down / side_by_side : Quads::down;
      return to_ + (at + round * apart * Panel::stride) * 4;
    };
    quads_.next(
        k_left,
        [&](int round, std::uintptr_t from, bool exists) {
          device::copy_async16(to(round), reinterpret_cast<const float*>(from), exists);
        },
        [&](int round, int element, std::uintptr_t from, bool exists) {
          device::copy_async4(to(round) + element * 4, reinterpret_cast<const float*>(from), exists);
        });
  }

 private:
  using Quads = PixelQuads<Tile, order, Panel>;
  /// Rows that neighbouring threads of a product read at once lie side by side, as in TileLoad.
  static constexpr int side_by_side = order == Order::k_contiguous ? interleave : 1;
  static_assert(Quads::rounds == 1 || Quads::down % side_by_side == 0);
  static __device__ int place(int row) {
    return row % side_by_side * (Panel::rows / side_by_side) + row / side_by_side;
  }

  Quads quads_;
  device::SharedAddress to_;
};

/// Reads panels into registers and rounds them on the way to shared memory; as RoundedLoad.
template <class Tile, Order order, class Panel>
class RoundedPixelLoad {
 public:
  __device__ RoundedPixelLoad(const PixelOperand& of, std::int64_t first, int indices) : quads_(of, first, indices) {}
  __device__ void fetch(int k_left) {
    quads_.next(
        k_left,
        [&](int round, std::uintptr_t from, bool exists) {
          device::load_quad(values_[round], reinterpret_cast<const float*>(from), exists ? 4 : 0, true);
        },
        [&](int round, int element, std::uintptr_t from, bool exists) {
          values_[round][element] = exists ? *reinterpret_cast<const float*>(from) : 0.0f;
        });
  }
  __device__ void put(typename Tile::Element* panel) const {
    panel += Quads::row() * Panel::stride + Quads::quad_column();
#pragma unroll
    for (int i = 0; i < Quads::rounds; ++i) put_rounded<Tile>(panel + i * Quads::down * Panel::stride, values_[i]);
  }

 private:
  using Quads = PixelQuads<Tile, order, Panel>;
  Quads quads_;
  float values_[Quads::rounds][4];
};

}  // namespace cugad::cuda
