#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/backend/backend.hpp"

namespace cugad {

/// The number of rows to reallocate working memory for when that for `held` is too small: at least twice as many, and
/// at most `most`, so that reallocations are few.
inline std::int64_t rows_to_reserve(std::int64_t rows, std::int64_t held, std::int64_t most) {
  return std::min(most, std::max(rows, 2 * held));
}

/// Device memory of one lifetime: named buffers, all released together. Everything is taken before a loop starts.
class Arena {
 public:
  /// For long-lived buffers: ready for every stream, and released after the work of all.
  explicit Arena(Backend& backend) : backend_(&backend) {}
  /// For buffers within one call: in the order of the context's stream, nothing waits. The context must outlive them.
  explicit Arena(Context& context) : backend_(&context.backend()), stream_(context.stream()) {}
  Arena(Arena&& other) noexcept
      : backend_(other.backend_), stream_(other.stream_), buffers_(std::move(other.buffers_)), bytes_(other.bytes_) {
    other.buffers_.clear();
  }
  Arena& operator=(Arena&& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(stream_, other.stream_);
    std::swap(buffers_, other.buffers_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Arena() {
    for (const Buffer& buffer : buffers_) backend_->release(buffer.memory, stream_);
  }

  /// `count` elements, zeroed, aligned to 64 bytes.
  template <class T>
  T* take(const char* name, std::int64_t count) {
    const std::size_t bytes = sizeof(T) * static_cast<std::size_t>(count);
    buffers_.push_back({name, bytes, nullptr});
    buffers_.back().memory = backend_->allocate(bytes, stream_);
    bytes_ += bytes;
    return static_cast<T*>(buffers_.back().memory);
  }
  /// A dense stack of matrices.
  template <class T = float>
  StackView<T> stack(const char* name, std::int64_t models, std::int64_t rows, std::int64_t columns) {
    return {take<T>(name, models * rows * columns), models, rows, columns};
  }
  std::size_t bytes() const { return bytes_; }
  std::size_t allocations() const { return buffers_.size(); }

 private:
  struct Buffer {
    std::string name;
    std::size_t bytes;
    void* memory;
  };
  Backend* backend_;
  void* stream_ = nullptr;
  std::vector<Buffer> buffers_;
  std::size_t bytes_ = 0;
};

}  // namespace cugad
