#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

/// Memory whose pages are those of a file: the system reads and writes them as it needs, so that it may be larger than
/// the machine's memory.
namespace cugad {

/// Bytes of a file that is mapped. Its pages are the system's cache: it takes them back when it, or the container of
/// the process, needs memory.
class MappedMemory {
 public:
  MappedMemory() = default;
  /// Zeros, in a file without a name in `directory`, for which space is reserved. Throws Error{input_output} with the
  /// directory: the disk is full, ...
  MappedMemory(const std::string& directory, std::size_t bytes);
  /// The bytes of a regular file, to be read only. Throws Error{input_output}.
  explicit MappedMemory(const std::string& path);
  MappedMemory(MappedMemory&& other) noexcept { swap(other); }
  MappedMemory& operator=(MappedMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~MappedMemory();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// From now on single rows are read, in any order: the system need not read pages beside them.
  void expect_random_access() noexcept;

 private:
  void swap(MappedMemory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The bytes are read next, in order: where they are those of a mapped file, the system fetches them in one go,
/// whatever it was told to expect. No effect on other memory of the host.
void expect_reading(const void* data, std::size_t bytes) noexcept;

/// An array of zeros in memory, or, if a directory is given, in a file there.
template <class T>
class LargeArray {
 public:
  LargeArray() = default;
  explicit LargeArray(std::vector<T> values) : own_(std::move(values)) {}
  LargeArray(std::size_t count, const std::string& directory) {
    if (directory.empty()) {
      own_.resize(count);
    } else if (count > 0) {
      mapped_ = MappedMemory(directory, count * sizeof(T));
    }
  }
  T* data() { return mapped_.size() > 0 ? reinterpret_cast<T*>(mapped_.data()) : own_.data(); }
  const T* data() const { return mapped_.size() > 0 ? reinterpret_cast<const T*>(mapped_.data()) : own_.data(); }
  void expect_random_access() noexcept { mapped_.expect_random_access(); }

 private:
  std::vector<T> own_;
  MappedMemory mapped_;
};

}  // namespace cugad
