#include "host/c_api/arguments.hpp"

#include <algorithm>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"

namespace cugad::c_api {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

std::uintptr_t address(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

/// No header of any version has a larger struct: a larger size was never set.
constexpr std::size_t largest_struct = 4096;

void require_usable(const Device& device, const void* memory, const char* name) {
  if (memory == nullptr || device.backend().memory_kind(memory) != MemoryKind::foreign) return;
  refuse(std::string(name) + " is memory of another device, expected memory of the host or of " + device.name());
}

}  // namespace

void require(const void* pointer, const char* name) {
  if (pointer == nullptr) refuse(std::string(name) + " is NULL");
}

std::string text_of(const char* text, const char* name) {
  require(text, name);
  return text;
}

std::vector<std::string> texts_of(const char* const* texts, std::int64_t count, const char* name) {
  require_extent(texts, count, sizeof(const char*), name);
  std::vector<std::string> list;
  list.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    if (texts[i] == nullptr) refuse(std::string(name) + "[" + std::to_string(i) + "] is NULL");
    list.emplace_back(texts[i]);
  }
  return list;
}

std::span<const std::byte> bytes_of(const void* bytes, std::size_t size) {
  if (size > 0) require(bytes, "bytes");
  if (size > PTRDIFF_MAX) refuse("size is " + std::to_string(size) + ", expected what memory can hold");
  return {static_cast<const std::byte*>(bytes), size};
}

void start_bytes(const void** bytes, std::size_t* size) {
  require(bytes, "bytes");
  *bytes = nullptr;
  require(size, "size");
  *size = 0;
}

std::size_t index_of(std::int64_t index, std::size_t count, const char* name) {
  if (index >= 0 && index < static_cast<std::int64_t>(count)) return static_cast<std::size_t>(index);
  refuse(std::string(name) + " is " + std::to_string(index) +
         (count == 0 ? ", but there is none" : ", expected 0 to " + std::to_string(count - 1)));
}

std::size_t check_struct(const void* given, std::size_t least, std::size_t known, const char* name) {
  std::size_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (size < least || size > largest_struct) {
    refuse(std::string(name) + " has struct_size " + std::to_string(size) + ", expected the sizeof of its type, here " +
           std::to_string(known));
  }
  const auto* bytes = static_cast<const unsigned char*>(given);
  for (std::size_t i = known; i < size; ++i) {
    if (bytes[i] == 0) continue;
    throw Error(ErrorCode::unsupported,
                std::string(name) + " sets a member that version " CUGAD_VERSION " does not know");
  }
  return std::min(size, known);
}

void require_extent(const void* array, std::int64_t count, std::int64_t element_bytes, const char* name,
                    std::uintptr_t alignment) {
  if (count < 0 || count > PTRDIFF_MAX / element_bytes) {
    refuse(std::string(name) + " has " + std::to_string(count) + " elements, expected a number that memory can hold");
  }
  if (count == 0) return;
  require(array, name);
  if (alignment == 0) alignment = static_cast<std::uintptr_t>(element_bytes);
  if (address(array) % alignment != 0 ||
      address(array) + static_cast<std::uintptr_t>(count * element_bytes) < address(array)) {
    refuse(std::string(name) + " is no address of elements of " + std::to_string(element_bytes) + " bytes");
  }
}

void require_matrix(const Device& device, MatrixView<const float> x, const char* name) {
  const auto text = [](std::int64_t number) { return std::to_string(number); };
  if (x.rows < 0 || x.columns < 0 || x.row_stride < x.columns) {
    refuse(std::string(name) + " has " + text(x.rows) + " rows and " + text(x.columns) + " columns with row_stride " +
           text(x.row_stride) + ", expected no negative number and row_stride >= columns");
  }
  std::int64_t elements = 0;
  if (__builtin_mul_overflow(x.rows, x.row_stride, &elements)) {
    refuse(std::string(name) + " has " + text(x.rows) + " rows with row_stride " + text(x.row_stride) +
           ", expected a size that memory can hold");
  }
  // The last row may end with its columns.
  const std::int64_t used = x.rows == 0 ? 0 : elements - x.row_stride + x.columns;
  require_array(device, x.data, used, name);
}

void require_array(const Device& device, const float* array, std::int64_t count, const char* name) {
  require_extent(array, count, sizeof(float), name);
  if (count > 0) require_usable(device, array, name);
}

void require_host(const Device& device, const void* array, const char* name) {
  if (array == nullptr) return;
  const MemoryKind kind = device.backend().memory_kind(array);
  if (kind == MemoryKind::device || kind == MemoryKind::foreign) {
    refuse(std::string(name) + " is memory of a device, expected memory of the host");
  }
}

Extent extent_of(MatrixView<const float> x) {
  if (x.rows == 0) return {};
  return {x.data, sizeof(float) * static_cast<std::uintptr_t>((x.rows - 1) * x.row_stride + x.columns)};
}

void require_apart(const Extent& x, const void* array, std::int64_t bytes, const char* name) {
  if (array == nullptr || bytes == 0 || x.bytes == 0) return;
  const std::uintptr_t first = address(x.begin), begin = address(array);
  if (begin < first + x.bytes && first < begin + static_cast<std::uintptr_t>(bytes)) {
    refuse(std::string(name) + " overlaps x");
  }
}

}  // namespace cugad::c_api
