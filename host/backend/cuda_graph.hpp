#pragma once

#include "host/backend/backend.hpp"
#include "host/backend/primary_context.hpp"
#include "kernels/device/runtime.cuh"

namespace cugad {

/// A recording of a stream as a CUDA graph.
class CudaGraph final : public RecordedWork {
 public:
  CudaGraph(const PrimaryContext& context, cudaGraphExec_t executable, cudaGraph_t graph)
      : context_(context), executable_(executable), graph_(graph) {}
  ~CudaGraph() override {
    const ContextScope here(context_);
    device::forget(cudaGraphExecDestroy(executable_));
    device::forget(cudaGraphDestroy(graph_));
  }
  /// Uploads the graph to the device, so that the first launch takes no longer than the others.
  cudaError_t upload(cudaStream_t stream) { return cudaGraphUpload(executable_, stream); }
  void launch(void* stream) override {
    const ContextScope here(context_);
    device::check(here.status(), "cuCtxPushCurrent");
    device::check(cudaGraphLaunch(executable_, static_cast<cudaStream_t>(stream)), "cudaGraphLaunch");
  }

 private:
  PrimaryContext context_;
  cudaGraphExec_t executable_;
  cudaGraph_t graph_;
};

}  // namespace cugad
