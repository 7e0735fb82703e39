#pragma once

#include <cstdint>

#include "kernels/device/async_copy.cuh"

/// Loads of rectangles of row-major float matrices into shared memory, ragged edges and rows of any alignment included.
namespace cugad::device {

/// Whether each row of each model of a StackView starts at a multiple of 16 bytes.
template <class View>
bool rows_are_vectors(const View& view) {
  return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0 && (view.rows <= 1 || view.row_stride % 4 == 0) &&
         (view.models <= 1 || view.model_stride % 4 == 0);
}

/// The same value, which the compiler may not recompute at each use: for values that a loop would otherwise derive from
/// the thread's number repeatedly.
__device__ inline int kept_in_register(int value) {
#if defined(__CUDACC__)
  asm("" : "+r"(value));
#endif
  return value;
}

/// A thread's part in copying rows x columns tiles of one matrix, one after the other: row r goes to tile + place(r) *
/// stride. place(r) = r % interleave * (rows / interleave) + r / interleave puts rows that neighbouring threads read at
/// once side by side; 1 keeps their order. The caller commits and waits.
///
/// A thread stays in its columns and goes down by whole rounds of the block: in shared memory by a constant, in global
/// memory by one addition. Values that are the same for every tile are computed once. Addresses of elements that do not
/// exist are numbers, never pointers, and are not read.
template <int rows, int columns, int stride, int threads, int interleave = 1>
class TileLoad {
 public:
  /// Tiles start `tile` floats into `shared` each; `data` is the first tile's first element (null if no element
  /// exists). `vectors`: every row of every tile starts at a multiple of 16 bytes.
  __device__ TileLoad(float* shared, const float* data, std::int64_t row_stride, bool vectors)
      : shared_(shared),
        row_bytes_(row_stride * element),
        vectors_(vectors),
        first_(vectors ? place<4, 1>() : place<1, 2>()),
        from_(reinterpret_cast<std::uintptr_t>(data) + offset(first_)) {
    static_assert(columns % 4 == 0 && stride % 4 == 0 && rows % interleave == 0);
  }

  /// Starts the copies of a tile to `tile` floats from the beginning of shared memory. Elements beyond `row_count` and
  /// `column_count` become 0 and are not read.
  __device__ void start(int tile, int row_count, int column_count) const {
    const auto whole = [&]<int width, int together>() {
      copy<width, together>(first_, from_, tile, [&](int) { return row_count - first_.row; });
    };
    if (column_count < columns) {
      const Place at = place<1, 2>();
      copy<1, 2>(at, from_ - offset(first_) + offset(at), tile,
                 [&](int column) { return at.column + column < column_count ? row_count - at.row : 0; });
    } else if (vectors_) {
      whole.template operator()<4, 1>();
    } else {
      whole.template operator()<1, 2>();
    }
  }

  /// The next tile is the one to the right, or the one below.
  __device__ void advance_right() { from_ += columns * element; }
  __device__ void advance_down() { from_ += static_cast<std::uintptr_t>(rows * row_bytes_); }

 private:
  static constexpr int element = sizeof(float);
  /// A thread's first element of a tile.
  struct Place {
    int row, column;
    SharedAddress to;
  };
  /// Its distance in global memory from the tile's first.
  __device__ std::uintptr_t offset(const Place& at) const {
    return static_cast<std::uintptr_t>(at.row * row_bytes_ + at.column * element);
  }

  /// With copies of `width` elements, `together` of them per thread and row, evenly spread over it.
  template <int width, int together>
  static constexpr int across = columns / width / together;

  template <int width, int together>
  __device__ Place place() const {
    const int row = static_cast<int>(threadIdx.x / across<width, together>);
    const int column = static_cast<int>(threadIdx.x % across<width, together>) * width;
    const int to = (row % interleave * (rows / interleave) + row / interleave) * stride + column;
    return {kept_in_register(row), column, SharedAddress(shared_ + to)};
  }

  /// existing(column): the number of existing rows, from the thread's first on, in the column at that distance from its
  /// own.
  template <int width, int together, class Existing>
  __device__ void copy(const Place& first, std::uintptr_t from, int tile, const Existing& existing) const {
    constexpr int down = threads / across<width, together>, apart = columns / together;
    constexpr int rounds = rows > down ? rows / down : 1;
    static_assert(threads % across<width, together> == 0 &&
                  (rounds == 1 || (rows % down == 0 && down % interleave == 0)));
    if (down > rows && first.row >= rows) return;
    const SharedAddress to = first.to + tile * element;
#pragma unroll
    for (int i = 0; i < rounds; ++i) {
#pragma unroll
      for (int j = 0; j < together; ++j) {
        const SharedAddress there = to + (i * (down / interleave) * stride + j * apart) * element;
        const auto* const source = reinterpret_cast<const float*>(from + j * apart * element);
        const bool exists = i * down < existing(j * apart);
        if constexpr (width == 4) {
          copy_async16(there, source, exists);
        } else {
          copy_async4(there, source, exists);
        }
      }
      from += down * row_bytes_;
    }
  }

  float* shared_;
  std::int64_t row_bytes_;
  bool vectors_;
  Place first_;
  std::uintptr_t from_;  ///< the address of the thread's first element of the next tile
};

}  // namespace cugad::device
