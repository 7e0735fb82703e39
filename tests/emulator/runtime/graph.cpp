#include <algorithm>

#include "tests/emulator/runtime/stream.hpp"

/// Graphs: a captured list of operations that is run again and again. Operations keep the order in which they were
/// captured, which respects every dependency between streams.
struct CUgraph_st {
  std::vector<emulator::Operation> operations;
};
struct CUgraphExec_st {
  std::shared_ptr<const std::vector<emulator::Operation>> operations;
};

using emulator::Call;
using emulator::state;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Call call("cudaStreamBeginCapture");
  stream = emulator::resolve(stream);
  if (call.pending() != cudaSuccess) return call.pending();
  if (stream != nullptr && stream->is_legacy) return call.done(cudaErrorStreamCaptureUnsupported);
  if (state().streams.count(stream) == 0) return call.done(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) return call.done(cudaErrorIllegalState);
  stream->capture = std::make_shared<emulator::Capture>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->device = stream->device;
  stream->capture->blocking = (stream->flags & cudaStreamNonBlocking) == 0;
  state().captures.push_back(stream->capture);
  return call.done(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Call call("cudaStreamEndCapture");
  stream = emulator::resolve(stream);
  *graph = nullptr;
  if (stream == nullptr || stream->capture == nullptr || stream->capture->origin != stream)
    return call.done(cudaErrorIllegalState);
  const std::shared_ptr<emulator::Capture> capture = stream->capture;
  bool joined = true;
  for (cudaStream_t forked : capture->forked) {
    joined = joined && forked->joined;
    forked->capture = nullptr;
  }
  stream->capture = nullptr;
  std::erase(state().captures, capture);
  if (capture->invalidated) return call.done(cudaErrorStreamCaptureInvalidated);
  if (!joined) return call.done(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::move(capture->operations)};
  return call.done(call.pending());
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const Call call("cudaStreamIsCapturing");
  stream = emulator::resolve(stream);
  *status = cudaStreamCaptureStatusNone;
  for (const auto& capture : state().captures) {
    if (stream != nullptr && stream->is_legacy && capture->blocking && capture->device == stream->device) {
      return call.done(cudaErrorStreamCaptureImplicit);  // the capture continues
    }
  }
  if (stream != nullptr && stream->capture != nullptr) {
    *status = stream->capture->invalidated ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  }
  return call.done(call.pending());
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const Call call("cudaGraphInstantiate");
  if (call.pending() != cudaSuccess) return call.pending();
  if (graph == nullptr) return call.done(cudaErrorInvalidValue);
  *executable = new CUgraphExec_st{std::make_shared<const std::vector<emulator::Operation>>(graph->operations)};
  return call.done(cudaSuccess);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
  const Call call("cudaGraphUpload");
  if (call.pending() != cudaSuccess) return call.pending();
  stream = emulator::resolve(stream);
  if (executable == nullptr) return call.done(cudaErrorInvalidValue);
  if (stream != nullptr && stream->capture != nullptr) return call.done(cudaErrorStreamCaptureUnsupported);
  return call.done(cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Call call("cudaGraphLaunch");
  if (call.pending() != cudaSuccess) return call.pending();
  if (executable == nullptr) return call.done(cudaErrorInvalidValue);
  return call.done(emulator::submit(stream, [operations = executable->operations] {
    for (const emulator::Operation& operation : *operations) {
      if (emulator::device_state().sticky == cudaSuccess) operation();
    }
  }));
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  const Call call("cudaGraphGetNodes");
  if (nodes != nullptr) return call.done(cudaErrorNotSupported);
  *count = graph->operations.size();
  return call.done(cudaSuccess);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const Call call("cudaGraphExecDestroy");
  delete executable;
  return call.done(call.pending());
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Call call("cudaGraphDestroy");
  delete graph;
  return call.done(call.pending());
}

}  // extern "C"
