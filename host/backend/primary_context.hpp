#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

namespace cugad {

/// The primary context of a device, in which the runtime works, as the calling thread's current one. Unlike
/// cudaSetDevice(), which creates a context on its device, leave() restores the thread's previous context:
/// an unused device stays without a context. The runtime looks up the driver's functions: libcuda is not linked.
class PrimaryContext {
 public:
  /// The context is kept for the life of the process, as the runtime keeps those that it makes.
  cudaError_t open(int index) {
    index_ = index;
    CUresult (*get)(CUdevice*, int) = nullptr;
    CUresult (*retain)(CUcontext*, CUdevice) = nullptr;
    cudaError_t status = find("cuDeviceGet", get);
    if (status == cudaSuccess) status = find("cuDevicePrimaryCtxRetain", retain);
    if (status == cudaSuccess) status = find("cuCtxPushCurrent", push_);
    if (status == cudaSuccess) status = find("cuCtxPopCurrent", pop_);
    if (status != cudaSuccess) return status;
    CUdevice device = 0;
    const bool done = get(&device, index) == CUDA_SUCCESS && retain(&context_, device) == CUDA_SUCCESS;
    return done ? cudaSuccess : cudaErrorInitializationError;
  }
  /// Makes it current. Captures of other threads, and of other streams of this one, do not forbid calls until
  /// leave(before).
  cudaError_t enter(int& before) const {
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    int current = 0;
    cudaError_t status = cudaGetDevice(&current);
    if (status == cudaSuccess && current != index_ && push_(context_) != CUDA_SUCCESS) status = cudaErrorInvalidDevice;
    if (status != cudaSuccess) return status;
    static_cast<void>(cudaThreadExchangeStreamCaptureMode(&mode));  // which fails for no mode that there is
    before = 2 * static_cast<int>(mode) + (current != index_ ? 1 : 0);
    return cudaSuccess;
  }
  void leave(int before) const noexcept {
    auto mode = static_cast<cudaStreamCaptureMode>(before / 2);
    cudaThreadExchangeStreamCaptureMode(&mode);
    CUcontext left = nullptr;
    if (before % 2 != 0) pop_(&left);
  }

 private:
  template <class Function>
  static cudaError_t find(const char* name, Function& function) {
    void* address = nullptr;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
    const cudaError_t status =
        cudaGetDriverEntryPointByVersion(name, &address, CUDART_VERSION, cudaEnableDefault, &found);
#else
    const cudaError_t status = cudaGetDriverEntryPoint(name, &address, cudaEnableDefault, &found);
#endif
    function = reinterpret_cast<Function>(address);
    return status == cudaSuccess && found != cudaDriverEntryPointSuccess ? cudaErrorNotSupported : status;
  }

  int index_ = 0;
  CUcontext context_ = nullptr;
  CUresult (*push_)(CUcontext) = nullptr;
  CUresult (*pop_)(CUcontext*) = nullptr;
};

/// The context is current while this object lives, if status() is success.
class ContextScope {
 public:
  explicit ContextScope(const PrimaryContext& context) : context_(context), status_(context.enter(before_)) {}
  ~ContextScope() {
    if (status_ == cudaSuccess) context_.leave(before_);
  }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  cudaError_t status() const { return status_; }

 private:
  const PrimaryContext& context_;
  int before_ = 0;
  cudaError_t status_;
};

}  // namespace cugad
