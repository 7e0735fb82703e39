#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <unordered_map>

#include "host/backend/backend.hpp"
#include "host/backend/cuda_errors.hpp"
#include "host/backend/memory_order.hpp"

namespace cugad {

inline std::string mebibytes(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

/// The memory of a CUDA device: from a stream-ordered pool of the library's own or from the caller's allocator,
/// counted, and at most the caller's bound. The device must be current in all calls.
class CudaMemory {
 public:
  explicit CudaMemory(CudaErrors& errors) : errors_(errors) {}
  void open(int index) {
    cudaMemPoolProps pool = {};  // the device's default pool is the process's, whose settings are not this library's
    pool.allocType = cudaMemAllocationTypePinned;
    pool.location.type = cudaMemLocationTypeDevice;
    pool.location.id = index;
    errors_.require(cudaMemPoolCreate(&pool_, &pool), "cudaMemPoolCreate");
    std::uint64_t keep = ~std::uint64_t{0};  // freed memory stays with the pool: the next allocation is cheap
    errors_.require(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
    errors_.require(order_.open(), "cudaStreamCreateWithFlags");
  }
  void close() {
    order_.close();
    if (pool_ != nullptr) device::forget(cudaMemPoolDestroy(pool_));  // after the last memory was released
  }
  MemoryOrder& order() { return order_; }

  /// Zeroed memory in the order of `stream`; null: usable at once.
  void* allocate(std::size_t bytes, cudaStream_t stream) {
    const std::size_t size = std::max<std::size_t>(bytes, 1);
    const cudaStream_t order = stream != nullptr ? stream : order_.stream();
    const Held held = {size, count_in(size)};
    void* memory = nullptr;
    try {
      memory = take(held, order);
      errors_.require(cudaMemsetAsync(memory, 0, size, order), "cudaMemsetAsync");
      if (stream == nullptr) errors_.require(cudaStreamSynchronize(order), "cudaStreamSynchronize");
      const std::lock_guard lock(mutex_);
      held_[memory] = held;
      use_.peak_bytes = std::max(use_.peak_bytes, use_.bytes);
    } catch (...) {  // the device's errors, and a host without memory
      if (memory != nullptr) give_back(memory, held, order);
      const std::lock_guard lock(mutex_);
      use_.bytes -= size;
      throw;
    }
    return memory;
  }

  /// Releases memory in the order of `stream`; null: after all work issued so far. `status`: whether the device is
  /// current.
  void release(void* memory, cudaStream_t stream, cudaError_t status) noexcept {
    Held held;
    {
      const std::lock_guard lock(mutex_);
      const auto found = held_.find(memory);
      if (found == held_.end()) return;
      held = found->second;
      use_.bytes -= held.bytes;
      held_.erase(found);
    }
    cudaStream_t order = stream;
    if (stream == nullptr && status == cudaSuccess) {
      order = order_.stream();
      status = order_.wait_for_all();
    }
    device::forget(status);
    // Leaks memory that may be in use: reuse would corrupt it.
    if (status == cudaSuccess) give_back(memory, held, order);
  }
  void use_allocator(const DeviceAllocator& allocator) {
    const std::lock_guard lock(mutex_);
    allocator_ = allocator;
  }
  void limit_memory(std::size_t max_device_bytes) {
    const std::lock_guard lock(mutex_);
    most_bytes_ = max_device_bytes == 0 ? no_limit : max_device_bytes;
  }

  std::size_t available_bytes() const {
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) free = 0;
    // The unused memory of the pool is available to this library.
    std::uint64_t reserved = 0, used = 0;
    if (cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved) == cudaSuccess &&
        cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &used) == cudaSuccess && reserved > used) {
      free += static_cast<std::size_t>(reserved - used);
    }
    const std::lock_guard lock(mutex_);
    return std::min(free, most_bytes_ - std::min(most_bytes_, use_.bytes));
  }
  MemoryUse use() const {
    const std::lock_guard lock(mutex_);
    return use_;
  }

 private:
  static constexpr std::size_t no_limit = ~std::size_t{0};
  /// An allocation, and the allocator that frees it.
  struct Held {
    std::size_t bytes = 0;
    DeviceAllocator allocator;
  };

  /// Counts memory before it is allocated, so that several threads together stay below the limit. Returns the allocator
  /// to use.
  DeviceAllocator count_in(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > most_bytes_ - std::min(most_bytes_, use_.bytes)) {
      throw Error(ErrorCode::out_of_memory, "out of memory on " + errors_.device() + ": " + std::to_string(bytes) +
                                                " bytes requested with " + std::to_string(use_.bytes) +
                                                " held, expected at most " + std::to_string(most_bytes_) +
                                                " in all (max_device_bytes)");
    }
    use_.bytes += bytes;
    return allocator_;
  }
  void* take(const Held& held, cudaStream_t order) {
    void* memory = nullptr;
    const std::string requested = std::to_string(held.bytes) + " bytes requested";
    if (held.allocator.allocate != nullptr) {
      memory = held.allocator.allocate(held.bytes, order, held.allocator.user);
      if (memory == nullptr) {
        throw Error(ErrorCode::out_of_memory,
                    "out of memory on " + errors_.device() + ": " + requested + " of the caller's allocator");
      }
      return memory;
    }
    const cudaError_t status = cudaMallocFromPoolAsync(&memory, held.bytes, pool_, order);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // handled here: the device stays usable
      throw Error(ErrorCode::out_of_memory, "out of memory on " + errors_.device() + ": " + requested + ", about " +
                                                mebibytes(available_bytes()) + " free");
    }
    errors_.require(status, "cudaMallocFromPoolAsync of " + std::to_string(held.bytes) + " bytes");
    return memory;
  }
  void give_back(void* memory, const Held& held, cudaStream_t order) noexcept {
    if (held.allocator.free != nullptr) return held.allocator.free(memory, held.bytes, order, held.allocator.user);
    device::forget(cudaFreeAsync(memory, order));
  }

  CudaErrors& errors_;
  cudaMemPool_t pool_ = nullptr;
  MemoryOrder order_;
  mutable std::mutex mutex_;
  std::unordered_map<void*, Held> held_;
  DeviceAllocator allocator_;
  std::size_t most_bytes_ = no_limit;
  MemoryUse use_;
};

}  // namespace cugad
