#pragma once

#include <cuda_runtime.h>  // the toolkit's, or under g++ the emulator's (tests/emulator/include)

#include <cstdint>
#include <string>
#include <utility>

#include "cugad/error.hpp"

/// The ground of every .cu file: error checks and the one way to launch a kernel. Kernels use the usual CUDA names
/// (threadIdx, __syncthreads, __shfl_*_sync, atomics); what g++ cannot parse (<<<>>>, extern __shared__, PTX) is
/// wrapped in this folder, with a twin for the emulator.
namespace cugad::device {

/// Takes back what a failed call leaves behind: CUDA keeps its error for whoever asks next on this thread.
inline void forget(cudaError_t status) {
  if (status != cudaSuccess) cudaGetLastError();
}

/// Throws Error{device} (or {out_of_memory}) that names the call and CUDA's own words.
inline void check(cudaError_t status, const std::string& call) {
  if (status == cudaSuccess) return;
  forget(status);
  const ErrorCode code = status == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::device;
  throw Error(code, call + ": " + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ")");
}

struct LaunchShape {
  dim3 grid, block;
  std::size_t shared_bytes = 0;  ///< dynamic shared memory; above 48 KiB the launch asks for it by itself
  int cluster = 1;               ///< blocks per cluster along x; more than one needs compute capability 9.0
  bool cooperative = false;      ///< all blocks resident at once, for grid_synchronize()
};

/// Lets a kernel ask for as much dynamic shared memory as the device has: always the same value, so that a launch in
/// another thread never finds less than it needs.
inline cudaError_t allow_all_shared_memory(const void* kernel) {
  int index = 0, most = 0;
  cudaError_t status = cudaGetDevice(&index);
  if (status == cudaSuccess) {
    status = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
  }
  if (status != cudaSuccess) return status;
  return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
}

/// While it is set, launches of this thread load their kernels and run nothing. A kernel is loaded when it is first
/// asked for, which drivers before CUDA 12.3 refuse while a stream is captured.
inline thread_local bool only_loads = false;

/// only_loads, while this object lives.
class LoadingOnly {
 public:
  LoadingOnly() { only_loads = true; }
  ~LoadingOnly() { only_loads = false; }
  LoadingOnly(const LoadingOnly&) = delete;
  LoadingOnly& operator=(const LoadingOnly&) = delete;
};

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
  cudaLaunchAttribute attribute[2] = {};
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

/// Extent along z of a grid over the models of a population; kernels step by gridDim.z where there are more.
constexpr unsigned model_blocks(std::int64_t models) {
  return static_cast<unsigned>(models < max_grid_z ? models : max_grid_z);
}

}  // namespace cugad::device
