#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>

#include "kernels/device/runtime.cuh"

/// The same launches many times over: recorded once as a graph, so that the host pays for one launch per repetition.
namespace cugad::device {

/// Held while a recording begins, and by who sets events on streams of other threads or on the legacy default stream:
/// those may not become part of one. A recording that ends within one call holds it to its end.
inline std::recursive_mutex& beginning_of_recordings() {
  static std::recursive_mutex mutex;
  return mutex;
}

inline cudaError_t begin_recording(cudaStream_t stream) {
  const std::lock_guard lock(beginning_of_recordings());
  return cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
}

/// Ends a recording and destroys its graph, also after an exception.
class StepGraph {
 public:
  explicit StepGraph(cudaStream_t stream) : stream_(stream), lock_(beginning_of_recordings()) {
    check(begin_recording(stream_), "cudaStreamBeginCapture");
    recording_ = true;
  }
  ~StepGraph() {
    if (recording_) forget(cudaStreamEndCapture(stream_, &graph_));  // still under the lock
    if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
  }
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  void end() {
    recording_ = false;
    check(cudaStreamEndCapture(stream_, &graph_), "cudaStreamEndCapture");
    lock_.unlock();
    check(cudaGraphInstantiate(&executable_, graph_, 0), "cudaGraphInstantiate");
  }
  void launch() { check(cudaGraphLaunch(executable_, stream_), "cudaGraphLaunch"); }

 private:
  cudaStream_t stream_;
  std::unique_lock<std::recursive_mutex> lock_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
  bool recording_ = false;
};

/// Calls step() `times` times, or records it once and launches the graph as often: step() must launch the same work
/// each time and nothing else, and is called once more before the recording to load its kernels. Few repetitions, the
/// default stream (which cannot be recorded) and a stream that is being recorded already get plain calls.
template <class Step>
void repeat(void* stream, std::int64_t times, const Step& step) {
  constexpr std::int64_t worthwhile = 4;  // recording and instantiating cost a few steps' launches
  if (only_loads) times = std::min<std::int64_t>(times, 1);
  auto* const order = static_cast<cudaStream_t>(stream);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusActive;
  if (stream != nullptr && order != cudaStreamLegacy) {
    check(cudaStreamIsCapturing(order, &status), "cudaStreamIsCapturing");
  }
  if (times < worthwhile || status != cudaStreamCaptureStatusNone) {
    for (std::int64_t i = 0; i < times; ++i) step();
    return;
  }
  {
    const LoadingOnly loading;
    step();
  }
  StepGraph graph(order);
  step();
  graph.end();
  for (std::int64_t i = 0; i < times; ++i) graph.launch();
}

}  // namespace cugad::device
