#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace cugad::safetensors {

/// Bytes of known size. Any number of threads may read.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  std::uint64_t size() const { return size_; }
  /// Within the size. Error{input_output} with the reason.
  virtual void read(std::uint64_t position, void* to, std::uint64_t bytes) const = 0;

 protected:
  std::uint64_t size_ = 0;
};

/// A regular file, kept open: replacing or removing it changes nothing for those who read. It is not mapped: a file
/// that another program shortens is then an error, and would end the process by a signal if it were.
std::unique_ptr<ByteSource> file_source(const std::string& path);
/// The caller's memory, which must outlive the source.
std::unique_ptr<ByteSource> memory_source(std::span<const std::byte> bytes);

}  // namespace cugad::safetensors
