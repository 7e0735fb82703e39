#pragma once

#include <algorithm>
#include <vector>

#include "cugad/tensor.hpp"
#include "host/backend/arena.hpp"

/// Moves rows between host and device memory in a context's order.
namespace cugad {

/// `count` elements of device memory, on the host. Waits for them.
template <class T>
std::vector<T> download(Context& context, const T* source, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  context.backend().copy(values.data(), source, sizeof(T) * values.size(), context.stream());
  context.synchronize();
  return values;
}

/// The rows of a matrix of device memory, one after the other. Waits for them.
template <class T>
std::vector<std::remove_const_t<T>> download_rows(Context& context, MatrixView<T> source) {
  std::vector<std::remove_const_t<T>> values(static_cast<std::size_t>(source.rows * source.columns));
  const std::size_t row_bytes = sizeof(T) * static_cast<std::size_t>(source.columns);
  context.backend().copy_rows(values.data(), row_bytes, source.data,
                              sizeof(T) * static_cast<std::size_t>(source.row_stride), row_bytes,
                              static_cast<std::size_t>(source.rows), context.stream());
  context.synchronize();
  return values;
}

/// Copies rows between any two memories in the context's order.
template <class T>
void copy_rows(Context& context, MatrixView<const T> source, MatrixView<T> target) {
  context.backend().copy_rows(target.data, sizeof(T) * static_cast<std::size_t>(target.row_stride), source.data,
                              sizeof(T) * static_cast<std::size_t>(source.row_stride),
                              sizeof(T) * static_cast<std::size_t>(source.columns),
                              static_cast<std::size_t>(source.rows), context.stream());
}

/// Copies rows of host memory so that they follow each other in `target`, before it returns. One thread: a second one
/// starts as slowly as a chunk is copied, and shares the memory's rate (bench/NOTES.md).
inline void stage_rows(MatrixView<const float> source, float* target) {
  if (source.row_stride == source.columns) {  // one long copy is several times faster than one per row
    std::copy_n(source.data, source.rows * source.columns, target);
    return;
  }
  for (std::int64_t r = 0; r < source.rows; ++r)
    std::copy_n(source.row(r), source.columns, target + r * source.columns);
}

/// Rows in memory that kernels can read: the caller's own if they are in such memory, else a copy in device memory; or,
/// if the device has no room for it, a copy in pinned host memory, which kernels read over the bus.
class ResidentRows {
 public:
  ResidentRows(Context& context, MatrixView<const float> rows) : backend_(context.backend()), view_(rows) {
    if (backend_.is_device_pointer(rows.data) || rows.rows == 0) return;
    const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(rows.rows * rows.columns);
    pinned_ = !has_room_for(backend_, bytes);
    memory_ = pinned_ ? backend_.allocate_pinned(bytes) : backend_.allocate(bytes);
    view_ = {static_cast<const float*>(memory_), rows.rows, rows.columns};
    try {
      copy_rows(context, rows, MatrixView<float>(static_cast<float*>(memory_), rows.rows, rows.columns));
      context.synchronize();
    } catch (...) {
      release();
      throw;
    }
  }
  ~ResidentRows() { release(); }
  ResidentRows(const ResidentRows&) = delete;
  ResidentRows& operator=(const ResidentRows&) = delete;
  /// Whether a device has that much memory for rows; the rest is for networks and activations.
  static bool has_room_for(Backend& backend, std::size_t bytes) { return bytes <= backend.available_bytes() / 10 * 6; }
  MatrixView<const float> view() const { return view_; }
  /// Whether the rows had to stay on the host.
  bool is_pinned() const { return pinned_; }

 private:
  void release() noexcept {
    if (memory_ == nullptr) return;
    if (pinned_) {
      backend_.release_pinned(memory_);
    } else {
      backend_.release(memory_);
    }
    memory_ = nullptr;
  }
  Backend& backend_;
  MatrixView<const float> view_;
  void* memory_ = nullptr;
  bool pinned_ = false;
};

}  // namespace cugad
