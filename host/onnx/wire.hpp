#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cugad::onnx {

/// A message in protobuf's wire format, as ONNX files are made of. Only what those need: a shared library that others
/// link would otherwise bring protobuf's, whose versions do not get along in one process.
class Message {
 public:
  void integer(int field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
  }
  void number(int field, float value) {
    key(field, 5);
    append(bytes_of(std::span<const float>(&value, 1)));
  }
  void text(int field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    append(value);
  }
  void message(int field, const Message& value) { text(field, value.bytes_); }
  /// A repeated field, packed.
  void integers(int field, std::span<const std::int64_t> values) {
    Message packed;
    for (const std::int64_t value : values) packed.varint(static_cast<std::uint64_t>(value));
    message(field, packed);
  }
  const std::string& bytes() const { return bytes_; }

  /// Numbers as files hold them.
  template <class T>
  static std::string_view bytes_of(std::span<const T> values) {
    static_assert(std::endian::native == std::endian::little);
    return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
  }

 private:
  void append(std::string_view bytes) { bytes_.append(bytes); }
  void key(int field, unsigned wire_type) { varint(static_cast<std::uint64_t>(field) << 3 | wire_type); }
  void varint(std::uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_.push_back(static_cast<char>(value | 128));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

}  // namespace cugad::onnx
