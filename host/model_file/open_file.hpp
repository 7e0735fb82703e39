#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/model_file/byte_source.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/model_file/safetensors_header.hpp"

namespace cugad::safetensors {

/// A file whose values are read when they are needed. Opening it checks what read() checks, but for the values that
/// its checksum leaves out. Any number of threads may read; the errors are those of read().
class OpenFile {
 public:
  explicit OpenFile(const std::string& path);
  /// Copies the bytes.
  explicit OpenFile(std::span<const std::byte> bytes);

  /// Without the checksum.
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const std::map<std::string, Entry>& tensors() const { return header_.tensors; }
  Tensor read(const Entry& tensor) const;
  /// Elements [first, first + count) of a tensor, which are float64 or float32.
  template <class T>
  std::vector<T> read_values(const Entry& tensor, std::uint64_t first, std::uint64_t count) const;

 private:
  void open(std::unique_ptr<ByteSource> source);

  std::string name_;  ///< for messages
  std::vector<std::byte> bytes_;
  std::unique_ptr<ByteSource> source_;
  Header header_;
  std::uint64_t values_at_ = 0;
};

}  // namespace cugad::safetensors
