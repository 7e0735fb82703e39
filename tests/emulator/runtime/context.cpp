#include <cuda.h>
#include <nvtx3/nvToolsExt.h>

#include "tests/emulator/runtime/state.hpp"

/// Which device is current in a thread, and on which devices there are contexts: the runtime makes one on the current
/// device when it is first used.
namespace emulator {
namespace {

thread_local int device_here = 0, running_on = -1;
thread_local std::vector<int> pushed;  ///< contexts that override the runtime's own choice
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

CUcontext context_of(int device) { return reinterpret_cast<CUcontext>(static_cast<std::uintptr_t>(device) + 1); }

CUresult get_device(CUdevice* device, int index) {
  *device = index;
  return index >= 0 && index < state().policy.devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
CUresult retain(CUcontext* context, CUdevice device) {
  const Call call("cuDevicePrimaryCtxRetain", false);
  state().devices[device].has_context = true;
  *context = context_of(device);
  return CUDA_SUCCESS;
}
CUresult push(CUcontext context) {
  const Call call("cuCtxPushCurrent", false);
  if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  pushed.push_back(static_cast<int>(reinterpret_cast<std::uintptr_t>(context) - 1));
  return CUDA_SUCCESS;
}
CUresult pop(CUcontext* context) {
  const Call call("cuCtxPopCurrent", false);
  if (pushed.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  *context = context_of(pushed.back());
  pushed.pop_back();
  return CUDA_SUCCESS;
}

}  // namespace

int current_device() { return running_on >= 0 ? running_on : pushed.empty() ? device_here : pushed.back(); }
RunningOn::RunningOn(int device) : before_(running_on) { running_on = device; }
RunningOn::~RunningOn() { running_on = before_; }
DeviceState& device_state() { return state().devices[current_device()]; }

std::set<int> contexts() {
  const std::lock_guard hold(state().lock);
  std::set<int> found;
  for (const auto& [number, device] : state().devices) {
    if (device.has_context) found.insert(number);
  }
  return found;
}

Call::Call(const char* name, bool needs_context) : hold_(state().lock) {
  ++state().calls[name];
  if (needs_context) device_state().has_context = true;
}

/// What may not happen during a capture is forbidden to the thread that captures, and in the mode of most programs to
/// all others.
bool Call::breaks_capture() const {
  bool any = false;
  for (const auto& capture : state().captures) {
    const bool is_own = capture->thread == std::this_thread::get_id();
    const bool is_global = capture->mode == cudaStreamCaptureModeGlobal && capture_mode == cudaStreamCaptureModeGlobal;
    if (capture->mode == cudaStreamCaptureModeRelaxed || capture_mode == cudaStreamCaptureModeRelaxed) continue;
    if (is_own || is_global) capture->invalidated = any = true;
  }
  return any;
}
bool Call::breaks_any_capture() const {
  bool any = false;
  for (const auto& capture : state().captures) {
    if (capture->device == current_device()) capture->invalidated = any = true;
  }
  if (any) note("a wait for the whole device while a stream is captured, which breaks the capture");
  return any;
}

}  // namespace emulator

using emulator::Call;
using emulator::state;

extern "C" {

cudaError_t cudaSetDevice(int device) {
  const Call call("cudaSetDevice", false);
  if (device < 0 || device >= state().policy.devices) return call.done(cudaErrorInvalidDevice);
  (emulator::pushed.empty() ? emulator::device_here : emulator::pushed.back()) = device;
  emulator::device_state().has_context = true;  // since CUDA 12
  return call.done(call.pending());
}
cudaError_t cudaGetDevice(int* device) {
  const Call call("cudaGetDevice", false);
  *device = emulator::current_device();
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  const Call call("cudaThreadExchangeStreamCaptureMode", false);
  std::swap(*mode, emulator::capture_mode);
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  const Call call("cudaGetDriverEntryPointByVersion", false);
  const std::map<std::string, void*> functions = {
      {"cuDeviceGet", reinterpret_cast<void*>(emulator::get_device)},
      {"cuDevicePrimaryCtxRetain", reinterpret_cast<void*>(emulator::retain)},
      {"cuCtxPushCurrent", reinterpret_cast<void*>(emulator::push)},
      {"cuCtxPopCurrent", reinterpret_cast<void*>(emulator::pop)}};
  const auto at = functions.find(name);
  *found = at == functions.end() ? cudaDriverEntryPointSymbolNotFound : cudaDriverEntryPointSuccess;
  *function = at == functions.end() ? nullptr : at->second;
  return cudaSuccess;
}

int nvtxRangePushA(const char* name) {
  const Call call((std::string("range ") + name).c_str(), false);
  return 0;
}
int nvtxRangePop() {
  const Call call("end of a range", false);
  return 0;
}

}  // extern "C"
