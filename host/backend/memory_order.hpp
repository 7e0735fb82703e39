#pragma once

#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "kernels/device/step_graph.cuh"

namespace cugad {

/// The order of memory that belongs to no stream of its user: it is allocated and freed on a stream of this class,
/// which a release orders after all work that may still use the memory. The host never waits for the device, which
/// would break recordings of other threads. The device must be current in all calls.
class MemoryOrder {
 public:
  void close() {
    for (const auto& [stream, event] : own_) cudaEventDestroy(event);
    for (const auto& [user, event] : marks_) cudaEventDestroy(event);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  cudaError_t open() { return cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking); }
  cudaStream_t stream() const { return stream_; }

  /// A stream whose work a release is to wait for, from now until remove().
  cudaError_t add(cudaStream_t own) {
    cudaEvent_t event = nullptr;
    const cudaError_t status = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (status != cudaSuccess) return status;
    const std::lock_guard lock(mutex_);
    own_[own] = event;
    return status;
  }
  /// Later releases wait for the work issued on the stream until now.
  cudaError_t remove(cudaStream_t own) {
    const std::lock_guard lock(mutex_);
    const auto found = own_.find(own);
    if (found == own_.end()) return cudaSuccess;
    const cudaError_t status = wait_for(own, found->second);
    cudaEventDestroy(found->second);
    own_.erase(found);
    return status;
  }
  /// Marks the end of the work issued on a stream of the caller's. The mark is set now, because the stream may be
  /// destroyed before a release. The caller orders the launches of recorded work.
  cudaError_t mark(cudaStream_t stream) {
    const std::lock_guard lock(mutex_);
    if (own_.count(stream) > 0) return cudaSuccess;
    cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
    cudaError_t status = cudaStreamIsCapturing(stream, &recording);
    if (status != cudaSuccess || recording != cudaStreamCaptureStatusNone) return status;
    cudaEvent_t& event = marks_[{stream, std::this_thread::get_id()}];
    if (event == nullptr) status = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    return status != cudaSuccess ? status : cudaEventRecord(event, stream);
  }
  /// Orders the stream of memory after all work issued so far.
  cudaError_t wait_for_all() {
    const std::lock_guard lock(mutex_);
    cudaError_t status = cudaSuccess;
    for (auto at = own_.begin(); at != own_.end() && status == cudaSuccess; ++at) {
      status = wait_for(at->first, at->second);
    }
    while (!marks_.empty() && status == cudaSuccess) {
      const cudaEvent_t event = marks_.begin()->second;
      status = cudaStreamWaitEvent(stream_, event, 0);
      cudaEventDestroy(event);
      marks_.erase(marks_.begin());
    }
    return status;
  }

 private:
  /// A stream that is being recorded has no new work of its own: earlier work was issued by the thread that records,
  /// and uses that thread's memory.
  cudaError_t wait_for(cudaStream_t own, cudaEvent_t event) {
    {
      const std::lock_guard lock(device::beginning_of_recordings());
      cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
      cudaError_t status = cudaStreamIsCapturing(own, &recording);
      if (status == cudaSuccess && recording != cudaStreamCaptureStatusNone) return cudaSuccess;
      if (status == cudaSuccess) status = cudaEventRecord(event, own);
      if (status != cudaSuccess) return status;
    }
    return cudaStreamWaitEvent(stream_, event, 0);
  }

  cudaStream_t stream_ = nullptr;
  std::mutex mutex_;
  std::map<cudaStream_t, cudaEvent_t> own_;
  std::map<std::pair<cudaStream_t, std::thread::id>, cudaEvent_t> marks_;  ///< cudaStreamPerThread is one per thread
};

}  // namespace cugad
