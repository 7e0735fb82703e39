#pragma once

#include "kernels/device/async_copy.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/latent_search/tile_products.hpp"

/// The packed weights as a block sees them: panel after panel in the order of consumption, the next one under way while
/// the block works on the last; or all of them at once if they fit.
namespace cugad::device {

/// Sequence defines the next product: `int product_at(int position)`, `int next(int position)`.
template <class Sequence>
class PanelStream {
 public:
  static std::size_t stage_bytes(const cuda::TileShape& shape, std::int64_t packed_bytes) {
    return shape.stage_bytes == 0 ? static_cast<std::size_t>(packed_bytes)
                                  : 2 * static_cast<std::size_t>(shape.stage_bytes);
  }

  __device__ PanelStream(const cuda::TileShape& shape, const cuda::TileProduct* products, Precision precision,
                         const unsigned char* packed, std::int64_t packed_bytes, SharedMemory& memory)
      : shape_(shape), products_(products), precision_(precision), packed_(packed), packed_bytes_(packed_bytes) {
    stage_ = memory.take<unsigned char>(shape.stage_bytes == 0 ? static_cast<std::size_t>(packed_bytes)
                                                               : 2 * static_cast<std::size_t>(shape.stage_bytes));
  }

  /// Sets the first panel under way; resident weights are there after the next open().
  __device__ void begin(const Sequence& sequence, int position) {
    sequence_ = sequence;
    position_ = position;
    if (shape_.stage_bytes == 0) {
      fetch(stage_, packed_, packed_bytes_);
    } else {
      fetch_next();
    }
  }

  /// The panel that comes next in the sequence: `product`, the pass of `width` columns from `first`, from `step` on. A
  /// barrier of the block: earlier writes to shared memory are visible after it.
  __device__ const unsigned char* open(const cuda::TileProduct& product, int first, int width, int step) {
    copy_async_wait<0>();
    __syncthreads();
    if (shape_.stage_bytes == 0) return stage_ + offset_of(product, first, width, step);
    const unsigned char* panel = stage_ + (even_ ? shape_.stage_bytes : 0);
    fetch_next();
    return panel;
  }

  /// Waits for the panel that was fetched ahead and is not needed.
  __device__ void finish() { copy_async_wait<0>(); }

 private:
  __device__ std::int64_t offset_of(const cuda::TileProduct& product, int first, int width, int step) const {
    const int steps = (product.inner + cuda::inner_step(precision_) - 1) / cuda::inner_step(precision_);
    return product.offset + (static_cast<std::int64_t>(steps) * first + step * width) * cuda::column_bytes(precision_);
  }

  /// Copies the panel at the cursor to the stage that is free and moves the cursor on.
  __device__ void fetch_next() {
    const cuda::TileProduct& product = products_[sequence_.product_at(position_)];
    const int columns = cuda::rounded_up(product.outer, cuda::column_step(precision_));
    const int steps = (product.inner + cuda::inner_step(precision_) - 1) / cuda::inner_step(precision_);
    const int width = min(columns - first_, shape_.pass_columns);
    const int count = min(steps - step_, product.panel_steps);
    fetch(stage_ + (even_ ? 0 : shape_.stage_bytes), packed_ + offset_of(product, first_, width, step_),
          static_cast<std::int64_t>(count) * width * cuda::column_bytes(precision_));
    even_ = !even_;
    step_ += count;
    if (step_ < steps) return;
    step_ = 0;
    first_ += width;
    if (first_ < columns) return;
    first_ = 0;
    position_ = sequence_.next(position_);
  }

  __device__ static void fetch(unsigned char* to, const unsigned char* from, std::int64_t bytes) {
    const int stride = 16 * static_cast<int>(blockDim.x);
    for (std::int64_t at = 16 * static_cast<std::int64_t>(threadIdx.x); at < bytes; at += stride) {
      copy_async16(to + at, from + at);
    }
    copy_async_commit();
  }

  const cuda::TileShape& shape_;
  const cuda::TileProduct* products_;
  Precision precision_;
  const unsigned char* packed_;
  std::int64_t packed_bytes_;
  unsigned char* stage_;
  Sequence sequence_;
  int position_ = 0, first_ = 0, step_ = 0;  ///< the cursor of the next fetch
  bool even_ = true;                         ///< the next fetch goes to the first stage
};

}  // namespace cugad::device
