#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cugad::safetensors {

/// CRC-32 of bytes that come in parts.
class Checksum {
 public:
  void add(const void* bytes, std::size_t count) {
    if (count == 0) return;  // a null pointer would begin the sum anew
    sum_ = ::crc32_z(sum_, static_cast<const Bytef*>(bytes), count);
  }
  template <class T>
  void add(const std::vector<T>& values) {
    add(values.data(), sizeof(T) * values.size());
  }
  std::uint32_t value() const { return static_cast<std::uint32_t>(sum_); }

 private:
  uLong sum_ = 0;  // of no bytes
};

}  // namespace cugad::safetensors
