#include <cstring>
#include <vector>

#include "tests/emulator/runtime/state.hpp"

/// Copies and fills between host and device memory.
namespace emulator {
namespace {

struct Rectangle {
  void* to;
  std::size_t to_pitch;
  const void* from;
  std::size_t from_pitch, width, height;

  std::size_t to_bytes() const { return height == 0 ? 0 : (height - 1) * to_pitch + width; }
  std::size_t from_bytes() const { return height == 0 ? 0 : (height - 1) * from_pitch + width; }
  void run() const {
    for (std::size_t row = 0; row < height; ++row) {
      std::memmove(static_cast<unsigned char*>(to) + row * to_pitch,
                   static_cast<const unsigned char*>(from) + row * from_pitch, width);
    }
  }
};

enum class Side { pageable, pinned, device, invalid };

/// Where a range lies; a range that leaves its allocation is invalid.
Side side_of(const void* pointer, std::size_t bytes) {
  if (const Allocation* whole = find_allocation(pointer, bytes)) return whole->on_device ? Side::device : Side::pinned;
  return find_allocation(pointer, 0) != nullptr && bytes > 0 ? Side::invalid : Side::pageable;
}

bool fits(Side side, bool device) { return side != Side::invalid && (side == Side::device) == device; }

cudaError_t check_sides(const Rectangle& r, cudaMemcpyKind kind, Side to, Side from) {
  if (to == Side::invalid || from == Side::invalid || r.width > r.to_pitch || r.width > r.from_pitch)
    return cudaErrorInvalidValue;
  if (kind == cudaMemcpyDefault) return cudaSuccess;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return fits(to, to_device) && fits(from, from_device) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t copy(Call& call, const Rectangle& r, cudaMemcpyKind kind, cudaStream_t stream, bool blocking) {
  if (call.pending() != cudaSuccess) return call.pending();
  if (blocking && call.breaks_capture()) return call.done(cudaErrorStreamCaptureImplicit);
  if (r.width == 0 || r.height == 0) return cudaSuccess;
  const Side to = side_of(r.to, r.to_bytes()), from = side_of(r.from, r.from_bytes());
  if (const cudaError_t error = check_sides(r, kind, to, from)) return call.done(error);
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  if (stream != nullptr && stream != cudaStreamLegacy) cudaStreamIsCapturing(stream, &capturing);
  cudaError_t error = cudaSuccess;
  const bool in_time = capturing == cudaStreamCaptureStatusNone && !state().policy.shares_host_pages;
  if (from == Side::pageable && in_time) {  // taken before the call returns
    auto kept = std::make_shared<std::vector<unsigned char>>(r.width * r.height);
    const Rectangle take{kept->data(), r.width, r.from, r.from_pitch, r.width, r.height};
    take.run();
    const Rectangle give{r.to, r.to_pitch, kept->data(), r.width, r.width, r.height};
    error = submit(stream, [kept, give] { give.run(); });
  } else {
    error = submit(stream, [r] { r.run(); });
  }
  const bool waits = blocking || (to == Side::pageable && in_time);
  if (error == cudaSuccess && waits) drain(stream);
  return call.done(error != cudaSuccess ? error : call.pending());
}

cudaError_t fill(Call& call, const Rectangle& r, int value, cudaStream_t stream, bool blocking) {
  if (call.pending() != cudaSuccess) return call.pending();
  if (blocking && call.breaks_capture()) return call.done(cudaErrorStreamCaptureImplicit);
  if (r.width == 0 || r.height == 0) return cudaSuccess;
  if (side_of(r.to, r.to_bytes()) != Side::device) return call.done(cudaErrorInvalidValue);
  const cudaError_t error = submit(stream, [r, value] {
    for (std::size_t row = 0; row < r.height; ++row) {
      std::memset(static_cast<unsigned char*>(r.to) + row * r.to_pitch, value, r.width);
    }
  });
  if (blocking) drain(stream);
  return call.done(error);
}

}  // namespace
}  // namespace emulator

using emulator::Call;

extern "C" {

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  Call call("cudaMemcpy");
  return emulator::copy(call, {to, bytes, from, bytes, bytes, 1}, kind, nullptr, true);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  Call call("cudaMemcpyAsync");
  return emulator::copy(call, {to, bytes, from, bytes, bytes, 1}, kind, stream, false);
}
cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                         std::size_t height, cudaMemcpyKind kind) {
  Call call("cudaMemcpy2D");
  return emulator::copy(call, {to, to_pitch, from, from_pitch, width, height}, kind, nullptr, true);
}
cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  Call call("cudaMemcpy2DAsync");
  return emulator::copy(call, {to, to_pitch, from, from_pitch, width, height}, kind, stream, false);
}
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  Call call("cudaMemset");
  return emulator::fill(call, {to, bytes, nullptr, 0, bytes, 1}, value, nullptr, true);
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  Call call("cudaMemsetAsync");
  return emulator::fill(call, {to, bytes, nullptr, 0, bytes, 1}, value, stream, false);
}
cudaError_t cudaMemset2DAsync(void* to, std::size_t pitch, int value, std::size_t width, std::size_t height,
                              cudaStream_t stream) {
  Call call("cudaMemset2DAsync");
  return emulator::fill(call, {to, pitch, nullptr, 0, width, height}, value, stream, false);
}

}  // extern "C"
