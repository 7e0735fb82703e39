#pragma once

#include "kernels/device/runtime.cuh"

/// Copies from global to shared memory that run beside the computation (cp.async, sm_80 and later). Data may be read
/// only after copy_async_wait and a barrier; the emulator delivers as late as that allows, or at once.
namespace cugad::device {

/// An address in shared memory as the copies take it, converted once and moved by bytes.
class SharedAddress {
 public:
#if defined(__CUDACC__)
  __device__ SharedAddress(void* shared) : at_(static_cast<unsigned>(__cvta_generic_to_shared(shared))) {}
  __device__ SharedAddress operator+(int bytes) const { return SharedAddress(at_ + static_cast<unsigned>(bytes)); }
  __device__ unsigned operator*() const { return at_; }

 private:
  __device__ explicit SharedAddress(unsigned at) : at_(at) {}
  unsigned at_;
#else
  SharedAddress(void* shared) : at_(static_cast<unsigned char*>(shared)) {}
  SharedAddress operator+(int bytes) const { return SharedAddress(at_ + bytes); }
  void* operator*() const { return at_; }

 private:
  unsigned char* at_;
#endif
};

/// 16 bytes, both sides aligned to 16; where `valid` is false the destination becomes zero and the source is not read.
__device__ inline void copy_async16(SharedAddress to, const void* global, bool valid = true) {
#if defined(__CUDACC__)
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(*to), "l"(global), "r"(bytes) : "memory");
#else
  ::emulator::copy_async(*to, global, 16, valid);
#endif
}

/// 4 bytes, for rows that are not aligned to 16.
__device__ inline void copy_async4(SharedAddress to, const void* global, bool valid = true) {
#if defined(__CUDACC__)
  const int bytes = valid ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(*to), "l"(global), "r"(bytes) : "memory");
#else
  ::emulator::copy_async(*to, global, 4, valid);
#endif
}

/// Closes the group of this thread's copies since the last commit.
__device__ inline void copy_async_commit() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#else
  ::emulator::copy_async_commit();
#endif
}

/// Waits until at most `pending` of this thread's youngest groups are under way.
template <int pending>
__device__ inline void copy_async_wait() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;\n" ::"n"(pending) : "memory");
#else
  ::emulator::copy_async_wait(pending);
#endif
}

}  // namespace cugad::device
