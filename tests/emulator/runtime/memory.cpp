#include <cstdlib>
#include <cstring>

#include "tests/emulator/runtime/fiber.hpp"
#include "tests/emulator/runtime/races.hpp"
#include "tests/emulator/runtime/stream.hpp"

/// Device and pinned memory. Every allocation lies between red zones; new device memory is NaN.
namespace emulator {
namespace {

constexpr std::size_t kRedZone = 256, kMostFilled = std::size_t{64} << 20;
constexpr unsigned char kRedByte = 0xfb;

bool must_fail() {
  int& nth = state().failing_allocation;
  return nth > 0 && --nth == 0;
}

/// What a pool gives back stays with it up to its threshold, and comes again first.
void trim(cudaMemPool_t pool, std::size_t kept) {
  const std::size_t wanted = std::max(pool->used, std::min(pool->reserved, kept));
  state().devices[pool->device].used -= pool->reserved - wanted;
  pool->reserved = wanted;
}

/// Counts memory as used; false if the device has too little left.
bool take_room(DeviceState& device, std::size_t bytes, cudaMemPool_t pool) {
  const auto more = [&] {
    const std::size_t in_pool = pool == nullptr ? 0 : pool->reserved - pool->used;
    return bytes - std::min(bytes, in_pool);
  };
  const std::size_t whole = state().policy.chip.memory;
  if (more() + device.used > whole) {
    drain_all();  // frees that wait in their streams
    for (cudaMemPool_t other : state().pools) {
      if (other != pool && other->device == current_device()) trim(other, 0);
    }
  }
  if (more() > whole - std::min(device.used, whole)) return false;
  device.used += more();
  device.most_used = std::max(device.most_used, device.used);
  if (pool != nullptr) {
    pool->reserved += more();
    pool->used += bytes;
    pool->most_used = std::max(pool->most_used, pool->used);
  }
  return true;
}

cudaError_t create(void** pointer, std::size_t bytes, bool on_device, cudaMemPool_t pool = nullptr) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (must_fail()) return cudaErrorMemoryAllocation;
  if (on_device && !take_room(device_state(), bytes, pool)) return cudaErrorMemoryAllocation;
  const std::size_t whole = (bytes + 2 * kRedZone + 255) / 256 * 256;
  auto* base = static_cast<unsigned char*>(std::aligned_alloc(256, whole));
  if (base == nullptr) return cudaErrorMemoryAllocation;
  std::memset(base, kRedByte, kRedZone);
  if (on_device && bytes <= kMostFilled) std::memset(base + kRedZone, 0xff, bytes);
  std::memset(base + kRedZone + bytes, kRedByte, kRedZone);
  poison(base, kRedZone);
  poison(base + kRedZone + bytes, kRedZone);
  *pointer = base + kRedZone;
  state().allocations[reinterpret_cast<std::uintptr_t>(*pointer)] = {bytes, current_device(), on_device, base, pool};
  return cudaSuccess;
}

bool is_red(const unsigned char* zone) {
  unpoison(zone, kRedZone);
  bool red = true;
  for (std::size_t i = 0; i < kRedZone; ++i) red = red && zone[i] == kRedByte;
  poison(zone, kRedZone);
  return red;
}

void check(const Allocation& allocation) {
  const bool before = is_red(allocation.base), after = is_red(allocation.base + kRedZone + allocation.bytes);
  if (before && after) return;
  fail_device("device memory: something wrote " + std::string(before ? "behind" : "in front of") +
              " an allocation of " + std::to_string(allocation.bytes) + " bytes");
}

void give_back_room(const Allocation& allocation) {
  const cudaMemPool_t pool = allocation.pool;
  pool->used -= allocation.bytes;
  trim(pool, pool->is_closed ? 0 : pool->threshold);
  if (!pool->is_closed || pool->used > 0) return;
  state().pools.erase(pool);
  delete pool;
}

void destroy(std::uintptr_t address) {
  const auto found = state().allocations.find(address);
  if (found == state().allocations.end()) return;
  const Allocation allocation = found->second;
  state().allocations.erase(found);
  check(allocation);
  if (allocation.pool != nullptr) {
    give_back_room(allocation);
  } else if (allocation.on_device) {
    state().devices[allocation.device].used -= allocation.bytes;
  }
  races::forget(reinterpret_cast<const void*>(address));
  unpoison(allocation.base, kRedZone);
  unpoison(allocation.base + kRedZone + allocation.bytes, kRedZone);
  std::free(allocation.base);
}

cudaError_t release(const Call& call, void* pointer, bool on_device) {
  if (pointer == nullptr) return call.done(call.pending());
  if (call.breaks_capture()) return call.done(cudaErrorStreamCaptureUnsupported);
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto found = state().allocations.find(address);
  if (found == state().allocations.end() || found->second.on_device != on_device)
    return call.done(cudaErrorInvalidValue);
  drain_all();
  destroy(address);
  return call.done(call.pending());
}

}  // namespace

cudaError_t allocate(void** pointer, std::size_t bytes, const char* name) {
  const Call call(name);
  if (call.pending() != cudaSuccess) return call.pending();
  if (call.breaks_capture()) return call.done(cudaErrorStreamCaptureUnsupported);
  return call.done(create(pointer, bytes, true));
}
cudaError_t allocate_host(void** pointer, std::size_t bytes, const char* name) {
  const Call call(name);
  if (call.pending() != cudaSuccess) return call.pending();
  if (call.breaks_capture()) return call.done(cudaErrorStreamCaptureUnsupported);
  return call.done(create(pointer, bytes, false));
}
cudaError_t allocate_async(void** pointer, std::size_t bytes, cudaStream_t stream, cudaMemPool_t pool) {
  const Call call(pool == nullptr ? "cudaMallocAsync" : "cudaMallocFromPoolAsync");
  if (call.pending() != cudaSuccess) return call.pending();
  if (call.breaks_capture()) return call.done(cudaErrorStreamCaptureUnsupported);
  if (pool == nullptr) cudaDeviceGetDefaultMemPool(&pool, current_device());
  if (state().pools.count(pool) == 0 || resolve(stream)->device != pool->device) {
    return call.done(cudaErrorInvalidValue);
  }
  return call.done(create(pointer, bytes, true, pool));
}

const Allocation* find_allocation(const void* pointer, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto after = state().allocations.upper_bound(address);
  if (after == state().allocations.begin()) return nullptr;
  const auto& [start, allocation] = *--after;
  return address + bytes <= start + allocation.bytes ? &allocation : nullptr;
}

void check_allocations() {
  for (const auto& [address, allocation] : state().allocations) {
    if (allocation.device == current_device()) check(allocation);
  }
}

}  // namespace emulator

using emulator::Call;
using emulator::state;

extern "C" {

cudaError_t cudaFree(void* pointer) { return emulator::release(Call("cudaFree"), pointer, true); }
cudaError_t cudaFreeHost(void* pointer) { return emulator::release(Call("cudaFreeHost"), pointer, false); }
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  const Call call("cudaFreeAsync");
  if (pointer == nullptr) return call.done(call.pending());
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(stream, &capturing) != cudaSuccess || capturing != cudaStreamCaptureStatusNone) {
    call.breaks_capture();
    return call.done(cudaErrorStreamCaptureUnsupported);
  }
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  if (state().allocations.count(address) == 0) return call.done(cudaErrorInvalidValue);
  return call.done(emulator::submit(stream, [address] { emulator::destroy(address); }));
}

cudaError_t cudaMemGetInfo(std::size_t* available, std::size_t* total) {
  const Call call("cudaMemGetInfo");
  *total = state().policy.chip.memory;
  *available = *total - std::min(*total, emulator::device_state().used);
  return call.done(call.pending());
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const Call call("cudaPointerGetAttributes");
  const emulator::Allocation* allocation = emulator::find_allocation(pointer, 0);
  *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, const_cast<void*>(pointer)};
  if (allocation != nullptr) {
    auto* address = const_cast<void*>(pointer);
    attributes->type = allocation->on_device ? cudaMemoryTypeDevice : cudaMemoryTypeHost;
    attributes->device = allocation->device;
    attributes->devicePointer = address;
    attributes->hostPointer = allocation->on_device ? nullptr : address;
  }
  return call.done(call.pending());
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  const Call call("cudaMemPoolCreate");
  if (call.pending() != cudaSuccess) return call.pending();
  if (!state().policy.memory_pools) return call.done(cudaErrorNotSupported);
  if (properties->allocType != cudaMemAllocationTypePinned || properties->location.type != cudaMemLocationTypeDevice) {
    return call.done(cudaErrorInvalidValue);
  }
  *pool = new CUmemPoolHandle_st;
  (*pool)->device = properties->location.id;
  state().pools.insert(*pool);
  return call.done(cudaSuccess);
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  const Call call("cudaMemPoolDestroy");
  if (state().pools.count(pool) == 0) return call.done(cudaErrorInvalidValue);
  emulator::trim(pool, 0);
  pool->is_closed = true;
  if (pool->used > 0) return call.done(cudaSuccess);  // with its last memory
  state().pools.erase(pool);
  delete pool;
  return call.done(cudaSuccess);
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  const Call call("cudaDeviceGetDefaultMemPool");
  cudaMemPool_t& own = state().devices[device].pool;
  if (own == nullptr) {
    const cudaMemPoolProps properties = {cudaMemAllocationTypePinned, {cudaMemLocationTypeDevice, device}};
    if (const cudaError_t error = cudaMemPoolCreate(&own, &properties)) return call.done(error);
  }
  *pool = own;
  return call.done(call.pending());
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  const Call call("cudaMemPoolSetAttribute");
  if (state().pools.count(pool) == 0) return call.done(cudaErrorInvalidValue);
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, value, sizeof bytes);
  if (attribute == cudaMemPoolAttrReleaseThreshold) pool->threshold = bytes;
  return call.done(call.pending());
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  const Call call("cudaMemPoolGetAttribute");
  if (state().pools.count(pool) == 0) return call.done(cudaErrorInvalidValue);
  const std::map<cudaMemPoolAttr, std::uint64_t> values = {{cudaMemPoolAttrReleaseThreshold, pool->threshold},
                                                           {cudaMemPoolAttrReservedMemCurrent, pool->reserved},
                                                           {cudaMemPoolAttrUsedMemCurrent, pool->used},
                                                           {cudaMemPoolAttrUsedMemHigh, pool->most_used}};
  const auto found = values.find(attribute);
  if (found == values.end()) return call.done(cudaErrorNotSupported);
  std::memcpy(value, &found->second, sizeof found->second);
  return call.done(call.pending());
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t bytes) {
  const Call call("cudaMemPoolTrimTo");
  if (state().pools.count(pool) == 0) return call.done(cudaErrorInvalidValue);
  emulator::trim(pool, bytes);
  return call.done(call.pending());
}

}  // extern "C"
