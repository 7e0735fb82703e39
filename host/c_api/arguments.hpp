#pragma once

#include <cstdint>
#include <string>

#include "cugad/device.hpp"
#include "cugad/tensor.hpp"

/// What every function of the C interface asks of its arguments. All throw Error{invalid_argument} naming the argument.
namespace cugad::c_api {

void require(const void* pointer, const char* name);
/// A text that is not NULL.
std::string text_of(const char* text, const char* name);

/// A matrix of float32 whose size can exist, in host memory or in memory of the device; NULL only where it has no rows.
void require_matrix(const Device& device, MatrixView<const float> x, const char* name = "x");
/// `count` elements that the host can reach; NULL only where there are none.
template <class T>
void require_host_array(const Device& device, const T* array, std::int64_t count, const char* name);
/// The same, or in memory of the device.
void require_array(const Device& device, const float* array, std::int64_t count, const char* name);
/// Refuses an array of so many elements that shares memory with the matrix.
template <class T>
void require_apart(MatrixView<const float> x, const T* array, std::int64_t count, const char* name);

// ---- What the templates are made of

void require_extent(const void* array, std::int64_t count, std::int64_t element_bytes, const char* name);
void require_host(const Device& device, const void* array, const char* name);
void require_apart(MatrixView<const float> x, const void* array, std::int64_t bytes, const char* name);

template <class T>
void require_host_array(const Device& device, const T* array, std::int64_t count, const char* name) {
  require_extent(array, count, sizeof(T), name);
  require_host(device, array, name);
}

template <class T>
void require_apart(MatrixView<const float> x, const T* array, std::int64_t count, const char* name) {
  require_apart(x, static_cast<const void*>(array), count * static_cast<std::int64_t>(sizeof(T)), name);
}

}  // namespace cugad::c_api
