#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/device/async_copy.cuh"

/// Loads of rectangles of row-major float matrices into shared memory, ragged edges and rows of any alignment included.
namespace cugad::device {

/// Where a tile comes from. Elements beyond `rows` and `columns` become 0 and are not read.
struct TileSource {
  const float* data;        ///< the tile's first element; may be null where nothing exists
  std::int64_t row_stride;  ///< in elements
  int rows, columns;
  bool vectors;  ///< every row of the tile starts at a multiple of 16 bytes
};

/// Whether each row of each model of a StackView starts at a multiple of 16 bytes.
template <class View>
bool rows_are_vectors(const View& view) {
  return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0 && (view.rows <= 1 || view.row_stride % 4 == 0) &&
         (view.models <= 1 || view.model_stride % 4 == 0);
}

/// Starts the copies of a rows x columns tile, row r to tile + place(r) * stride; the block's `threads` threads share
/// them. The caller commits and waits. place(r) = r % interleave * (rows / interleave) + r / interleave puts rows that
/// neighbouring threads read at once side by side; 1 keeps their order.
template <int rows, int columns, int stride, int threads, int interleave = 1>
__device__ inline void load_tile_async(float* tile, const TileSource& source) {
  static_assert(columns % 4 == 0 && stride % 4 == 0 && rows % interleave == 0);
  const int thread = static_cast<int>(threadIdx.x);
  const auto place = [](int r) { return (r % interleave * (rows / interleave) + r / interleave) * stride; };
  // A thread stays in its column and goes down by whole rounds of the block. Pointers to what does not exist are
  // never formed: `from` then stays at an element that does (or at the tile's first), and is not read.
  const auto each_row = [&](auto width, const auto& copy) {
    constexpr int across = columns / width, down = threads / across;
    static_assert(threads % across == 0 && rows % down == 0);
    const int column = thread % across * width;
    int row = thread / across;
    const float* from = source.data;
    const bool inside = column < source.columns;
    if (inside && row < source.rows) from += row * source.row_stride + column;
#pragma unroll 2
    for (int i = 0; i < rows / down; ++i) {
      const bool exists = inside && row < source.rows;
      copy(tile + place(row) + column, from, exists, source.columns - column);
      if (exists && row + down < source.rows) from += down * source.row_stride;
      row += down;
    }
  };
  if (source.vectors) {
    each_row(std::integral_constant<int, 4>(), [](float* to, const float* from, bool exists, int count) {
      if (!exists || count >= 4) {
        device::copy_async16(to, from, exists);
      } else {
        for (int i = 0; i < 4; ++i) device::copy_async4(to + i, i < count ? from + i : from, i < count);
      }
    });
  } else {
    each_row(std::integral_constant<int, 1>(),
             [](float* to, const float* from, bool exists, int) { device::copy_async4(to, from, exists); });
  }
}

}  // namespace cugad::device
