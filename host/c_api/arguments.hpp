#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "cugad/device.hpp"
#include "cugad/tensor.hpp"

/// Checks of the arguments of C functions. All throw Error{invalid_argument} naming the argument.
namespace cugad::c_api {

void require(const void* pointer, const char* name);
/// `*place` for a result, set to NULL until it is complete.
template <class T>
T& started(T* place, const char* name) {
  require(place, name);
  return *place = nullptr;
}
/// A text that is not NULL.
std::string text_of(const char* text, const char* name);
/// `count` of them; none if the list is NULL and count 0.
std::vector<std::string> texts_of(const char* const* texts, std::int64_t count, const char* name);
/// The bytes of a model; NULL only if there are none.
std::span<const std::byte> bytes_of(const void* bytes, std::size_t size);
/// Where bytes are given to the caller: none, until there are some.
void start_bytes(const void** bytes, std::size_t* size);
/// The element's number, from 0 to `count` - 1.
std::size_t index_of(std::int64_t index, std::size_t count, const char* name);

/// The caller's struct, which begins with its size, in the layout of this version. Members of later versions must be 0.
template <class Struct>
Struct known_struct(const Struct* given, const char* name);

/// A matrix of float32 of a possible size, in host memory or in memory of the device; NULL only if it has no rows.
void require_matrix(const Device& device, MatrixView<const float> x, const char* name = "x");
/// `count` elements in memory that the host can access; NULL only if there are none.
template <class T>
void require_host_array(const Device& device, const T* array, std::int64_t count, const char* name);
/// The same, or in memory of the device.
void require_array(const Device& device, const float* array, std::int64_t count, const char* name);
/// So many bytes from a place on.
struct Extent {
  const void* begin = nullptr;
  std::uintptr_t bytes = 0;
};
/// From the first element of a matrix to the end of its last.
Extent extent_of(MatrixView<const float> x);
/// Refuses an array of so many elements that shares memory with x.
template <class T>
void require_apart(const Extent& x, const T* array, std::int64_t count, const char* name);

// ---- What the templates are made of

/// alignment 0: that of numbers of so many bytes.
void require_extent(const void* array, std::int64_t count, std::int64_t element_bytes, const char* name,
                    std::uintptr_t alignment = 0);
void require_host(const Device& device, const void* array, const char* name);
void require_apart(const Extent& x, const void* array, std::int64_t bytes, const char* name);
/// Returns how many bytes of the caller's struct this version knows.
std::size_t check_struct(const void* given, std::size_t least, std::size_t known, const char* name);

/// The size in the first version that had the struct: of programs compiled with that one.
template <class Struct>
constexpr std::size_t first_size = sizeof(Struct);

/// The caller's struct; members that it did not have yet are 0.
template <class Struct>
Struct known_struct(const Struct* given, const char* name) {
  require(given, name);
  Struct known{};
  std::memcpy(&known, given, check_struct(given, first_size<Struct>, sizeof(Struct), name));
  return known;
}

template <class T>
void require_host_array(const Device& device, const T* array, std::int64_t count, const char* name) {
  require_extent(array, count, sizeof(T), name, alignof(T));
  require_host(device, array, name);
}

template <class T>
void require_apart(const Extent& x, const T* array, std::int64_t count, const char* name) {
  require_apart(x, static_cast<const void*>(array), count * static_cast<std::int64_t>(sizeof(T)), name);
}

}  // namespace cugad::c_api
