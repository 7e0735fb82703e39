#pragma once

#include <cuda_runtime.h>  // the toolkit's, or under g++ the emulator's (tests/emulator/include)

#include <cstdint>
#include <string>
#include <utility>

#include "cugad/error.hpp"

/// The base of every .cu file: error checks and the one way to launch a kernel. Kernels use the usual CUDA names
/// (threadIdx, __syncthreads, __shfl_*_sync, atomics); what g++ cannot parse (<<<>>>, extern __shared__, PTX) is
/// wrapped in this folder, with a twin for the emulator.
namespace cugad::device {

/// Clears the error of a failed call, which CUDA keeps for the next query on this thread.
inline void forget(cudaError_t status) {
  if (status != cudaSuccess) cudaGetLastError();
}

/// Throws Error{device} (or {out_of_memory}) with the call and CUDA's message.
inline void check(cudaError_t status, const std::string& call) {
  if (status == cudaSuccess) return;
  forget(status);
  const ErrorCode code = status == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::device;
  throw Error(code, call + ": " + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ")");
}

struct LaunchShape {
  dim3 grid = {}, block = {};
  std::size_t shared_bytes = 0;  ///< dynamic shared memory; above 48 KiB the launch sets the kernel's attribute
  int cluster = 1;               ///< blocks per cluster along x; more than one needs compute capability 9.0
  bool cooperative = false;      ///< all blocks resident at once, for grid_synchronize()
  bool waits = false;            ///< the kernel calls wait_for_earlier_work() before it touches memory
};

/// Allows a kernel as much dynamic shared memory as the device has: always the same value, so that a launch in another
/// thread never finds less than it needs.
inline cudaError_t allow_all_shared_memory(const void* kernel) {
  int index = 0, most = 0;
  cudaError_t status = cudaGetDevice(&index);
  if (status == cudaSuccess) {
    status = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
  }
  if (status != cudaSuccess) return status;
  return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
}

/// While it is set, launches of this thread load their kernels and run nothing. A kernel is loaded at its first use,
/// which drivers before CUDA 12.3 refuse while a stream is captured.
inline thread_local bool only_loads = false;

/// only_loads, while this object lives.
class LoadingOnly {
 public:
  LoadingOnly() { only_loads = true; }
  ~LoadingOnly() { only_loads = false; }
  LoadingOnly(const LoadingOnly&) = delete;
  LoadingOnly& operator=(const LoadingOnly&) = delete;
};

/// While it is set, kernels that wait by themselves are launched by this thread before the previous kernel has ended
/// (programmatic dependent launch), which hides the time of their launch. For recordings of training steps: many small
/// kernels, one after the other.
inline thread_local bool launches_early = false;

/// launches_early, while this object lives, if this device and driver support it: from compute capability 9.0 on, in
/// recordings from CUDA 12.4 on.
class EarlyLaunches {
 public:
  EarlyLaunches() {
    int index = 0, major = 0, driver = 0;
    const bool known = cudaGetDevice(&index) == cudaSuccess && cudaDriverGetVersion(&driver) == cudaSuccess &&
                       cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index) == cudaSuccess;
    launches_early = known && major >= 9 && driver >= 12040 && CUDART_VERSION >= 12040;
  }
  ~EarlyLaunches() { launches_early = false; }
  EarlyLaunches(const EarlyLaunches&) = delete;
  EarlyLaunches& operator=(const EarlyLaunches&) = delete;
};

/// Waits for the writes of earlier kernels of the stream; before, a kernel launched early may touch nothing but its
/// parameters and shared memory. Later kernels may be launched from here on: they wait likewise, so that the rest of
/// this kernel's work does not matter.
__device__ inline void wait_for_earlier_work() {
#if defined(CUGAD_EMULATED)
  ::emulator::wait_for_earlier_work();
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Launches kernel(arguments...) on a stream (cudaStream_t as void*). Throws Error{device} naming the kernel and the
/// shape. A grid with a zero is a bug of the caller.
template <class... Parameters, class... Arguments>
void launch(void* stream, const char* name, const LaunchShape& shape, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = static_cast<cudaStream_t>(stream);
  cudaLaunchAttribute attribute[3] = {};
  if (shape.cluster > 1) {
    attribute[config.numAttrs].id = cudaLaunchAttributeClusterDimension;
    attribute[config.numAttrs].val.clusterDim.x = static_cast<unsigned>(shape.cluster);
    attribute[config.numAttrs].val.clusterDim.y = 1;
    attribute[config.numAttrs].val.clusterDim.z = 1;
    ++config.numAttrs;
  }
  if (shape.cooperative) {
    attribute[config.numAttrs].id = cudaLaunchAttributeCooperative;
    attribute[config.numAttrs].val.cooperative = 1;
    ++config.numAttrs;
  }
  if (shape.waits && launches_early) {
    attribute[config.numAttrs].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute[config.numAttrs].val.programmaticStreamSerializationAllowed = 1;
    ++config.numAttrs;
  }
  config.attrs = attribute;
  cudaError_t status = cudaSuccess;
  if (shape.shared_bytes > 48 * 1024) status = allow_all_shared_memory(reinterpret_cast<const void*>(kernel));
  if (status == cudaSuccess && only_loads) {
    cudaFuncAttributes loaded;
    status = cudaFuncGetAttributes(&loaded, kernel);
  } else if (status == cudaSuccess) {
    status = cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
  }
  if (status == cudaSuccess) return;
  const auto text = [](dim3 d) {
    return std::to_string(d.x) + " x " + std::to_string(d.y) + " x " + std::to_string(d.z);
  };
  check(status, std::string("launch of ") + name + ", grid " + text(shape.grid) + ", block " + text(shape.block) +
                    ", cluster " + std::to_string(shape.cluster) + ", " + std::to_string(shape.shared_bytes) +
                    " bytes of shared memory");
}

constexpr int warp_lanes = 32;
constexpr unsigned full_warp = 0xffffffffu;

/// The most blocks along z of a grid; kernels put models there.
constexpr std::int64_t max_grid_z = 65535;

/// Blocks of `size` that cover `count`.
constexpr unsigned blocks_for(std::int64_t count, std::int64_t size) {
  return static_cast<unsigned>((count + size - 1) / size);
}

/// Extent along z of a grid over the models of a population; kernels step by gridDim.z if there are more.
constexpr unsigned model_blocks(std::int64_t models) {
  return static_cast<unsigned>(models < max_grid_z ? models : max_grid_z);
}

}  // namespace cugad::device
