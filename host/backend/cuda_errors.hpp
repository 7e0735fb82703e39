#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "kernels/device/runtime.cuh"

namespace cugad {

/// Whether CUDA returns this error from every later call of the process.
inline bool is_sticky(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
      return true;
    default:
      return false;
  }
}

/// The errors of one device.
class CudaErrors {
 public:
  explicit CudaErrors(std::string device) : device_(std::move(device)) {}
  const std::string& device() const { return device_; }

  /// Throws an error that names the call and the device; remembers an error from which CUDA does not recover.
  void require(cudaError_t status, const std::string& call) {
    if (status == cudaSuccess) return;
    if (is_sticky(status) && !broken_.exchange(true)) {
      const std::lock_guard lock(mutex_);
      failure_ = call + ": " + cudaGetErrorString(status);
    }
    device::check(status, device_ + ": " + call);
  }
  /// Throws if the device failed earlier.
  void require_working() {
    if (!broken_.load()) return;
    const std::lock_guard lock(mutex_);
    throw Error(ErrorCode::device, device_ + " is not used any more after an earlier failure: " + failure_);
  }

 private:
  std::string device_, failure_;
  std::atomic<bool> broken_ = false;
  std::mutex mutex_;
};

}  // namespace cugad
