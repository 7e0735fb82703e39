#pragma once

#include <cstddef>

#include "kernels/device/runtime.cuh"

/// Shared memory for both compilers. A kernel carves all of its arrays out of one block whose size its launcher passes;
/// under the emulator every carved array lies between red zones.
namespace cugad::device {

/// Bytes of a list of arrays as SharedMemory::take carves them (16-byte steps unless a larger alignment is requested).
class SharedLayout {
 public:
  template <class T>
  constexpr SharedLayout& add(std::size_t count, std::size_t alignment = 16) {
    bytes_ = (bytes_ + alignment - 1) / alignment * alignment + sizeof(T) * count;
    return *this;
  }
  constexpr std::size_t bytes() const { return (bytes_ + 15) / 16 * 16; }

 private:
  std::size_t bytes_ = 0;
};

/// Carves the dynamic shared memory of the block. Every thread must carve the same arrays in the same order.
class SharedMemory {
 public:
  __device__ SharedMemory() {
#if defined(__CUDACC__)
    extern __shared__ __align__(1024) unsigned char cugad_dynamic_shared_memory[];
    base_ = cugad_dynamic_shared_memory;
#else
    ::emulator::begin_carving();
#endif
  }
  /// `count` elements, not initialised (under the emulator: NaN).
  template <class T>
  __device__ T* take(std::size_t count, std::size_t alignment = 16) {
    offset_ = (offset_ + alignment - 1) / alignment * alignment;
    const std::size_t at = offset_;
    offset_ += sizeof(T) * count;
#if defined(__CUDACC__)
    return reinterpret_cast<T*>(base_ + at);
#else
    return static_cast<T*>(::emulator::carve_shared(at, sizeof(T) * count, alignment));
#endif
  }

 private:
#if defined(__CUDACC__)
  unsigned char* base_;
#endif
  std::size_t offset_ = 0;
};

/// Declares to nvcc that a pointer is into shared memory if it cannot infer that, as with one kept in a struct: it then
/// emits loads from shared memory instead of generic ones.
__device__ inline void assume_shared([[maybe_unused]] const void* pointer) {
#if defined(__CUDACC__)
  __builtin_assume(__isShared(pointer));
#endif
}

}  // namespace cugad::device
