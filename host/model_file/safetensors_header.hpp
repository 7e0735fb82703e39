#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The JSON header of a safetensors file. Nothing here touches a file or a tensor's values.
namespace cugad::safetensors {

/// The limit that the reference implementation sets.
inline constexpr std::uint64_t max_header_bytes = 100'000'000;
/// Bounds the memory that a small hostile header can claim; models are far below them.
inline constexpr std::size_t max_rank = 64;
inline constexpr std::size_t max_entries = 1'000'000;

struct Entry {
  std::uint64_t element_bytes = 0;  ///< 8 for F64, 4 for F32, 1 for U8
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  ///< in bytes after the header
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Entry> tensors;
};

/// Elements * element_bytes. Error{format} for a negative extent, or if the product of the non-zero extents overflows:
/// then no dimension of a tensor, empty or not, can overflow the arithmetic on the shape.
std::uint64_t tensor_bytes(const std::vector<std::int64_t>& shape, std::uint64_t element_bytes);

/// The header with its padding. Error{invalid_argument} for a reserved name, text that is not UTF-8 or a header over
/// the limit; offsets are not checked.
std::string format_header(const Header& header);

/// Accepts exactly the headers whose tensors fill data_bytes without gap or overlap; Error{format} with the reason.
Header parse_header(std::string_view json, std::uint64_t data_bytes);

/// The text in quotes for a one-line message: shortened, control characters escaped.
std::string quote(std::string_view text);

}  // namespace cugad::safetensors
