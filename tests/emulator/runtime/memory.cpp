#include <cstdlib>
#include <cstring>

#include "tests/emulator/runtime/fiber.hpp"
#include "tests/emulator/runtime/races.hpp"
#include "tests/emulator/runtime/state.hpp"

/// Device and pinned memory. Every allocation stands between red zones; new device memory is NaN.
namespace emulator {
namespace {

constexpr std::size_t kRedZone = 256, kMostFilled = std::size_t{64} << 20;
constexpr unsigned char kRedByte = 0xfb;

bool must_fail() {
  int& nth = state().failing_allocation;
  return nth > 0 && --nth == 0;
}

cudaError_t create(void** pointer, std::size_t bytes, bool on_device) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (must_fail()) return cudaErrorMemoryAllocation;
  DeviceState& device = device_state();
  if (on_device && bytes + device.used > state().policy.chip.memory) drain_all();  // frees that wait in their streams
  if (on_device && bytes > state().policy.chip.memory - std::min(device.used, state().policy.chip.memory)) {
    return cudaErrorMemoryAllocation;
  }
  const std::size_t whole = (bytes + 2 * kRedZone + 255) / 256 * 256;
  auto* base = static_cast<unsigned char*>(std::aligned_alloc(256, whole));
  if (base == nullptr) return cudaErrorMemoryAllocation;
  std::memset(base, kRedByte, kRedZone);
  if (on_device && bytes <= kMostFilled) std::memset(base + kRedZone, 0xff, bytes);
  std::memset(base + kRedZone + bytes, kRedByte, kRedZone);
  poison(base, kRedZone);
  poison(base + kRedZone + bytes, kRedZone);
  *pointer = base + kRedZone;
  state().allocations[reinterpret_cast<std::uintptr_t>(*pointer)] = {bytes, current_device(), on_device, base};
  if (on_device) device.used += bytes;
  device.most_used = std::max(device.most_used, device.used);
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

void destroy(std::uintptr_t address) {
  const auto found = state().allocations.find(address);
  if (found == state().allocations.end()) return;
  const Allocation allocation = found->second;
  state().allocations.erase(found);
  check(allocation);
  if (allocation.on_device) state().devices[allocation.device].used -= allocation.bytes;
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
cudaError_t allocate_async(void** pointer, std::size_t bytes, cudaStream_t) {
  const Call call("cudaMallocAsync");
  if (call.pending() != cudaSuccess) return call.pending();
  if (call.breaks_capture()) return call.done(cudaErrorStreamCaptureUnsupported);
  return call.done(create(pointer, bytes, true));
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

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  const Call call("cudaDeviceGetDefaultMemPool");
  *pool = reinterpret_cast<cudaMemPool_t>(&state());
  return call.done(call.pending());
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  const Call call("cudaMemPoolSetAttribute");
  return call.done(call.pending());
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void* value) {
  const Call call("cudaMemPoolGetAttribute");
  const bool high = attribute == cudaMemPoolAttrUsedMemHigh || attribute == cudaMemPoolAttrReservedMemHigh;
  const std::uint64_t bytes = high ? emulator::device_state().most_used : emulator::device_state().used;
  if (attribute < cudaMemPoolAttrReleaseThreshold) return call.done(cudaErrorNotSupported);
  std::memcpy(value, &bytes, sizeof bytes);
  return call.done(call.pending());
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) {
  const Call call("cudaMemPoolTrimTo");
  return call.done(call.pending());
}

}  // extern "C"
