#include <cstdio>
#include <cstring>

#include "tests/emulator/runtime/state.hpp"

/// Questions about the emulated device.
using emulator::Call;
using emulator::state;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  const Call call("cudaGetDeviceCount", false);
  *count = state().policy.devices;
  return call.done(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const Call call("cudaGetDeviceProperties", false);
  if (device < 0 || device >= state().policy.devices) return call.done(cudaErrorInvalidDevice);
  const emulator::Chip& chip = state().policy.chip;
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "%s", chip.name.c_str());
  properties->totalGlobalMem = chip.memory;
  properties->sharedMemPerBlock = 48 * 1024;
  properties->sharedMemPerBlockOptin = chip.shared_memory_per_block;
  properties->sharedMemPerMultiprocessor = chip.shared_memory_per_multiprocessor;
  properties->totalConstMem = 64 * 1024;
  properties->reservedSharedMemPerBlock = 1024;
  properties->regsPerBlock = properties->regsPerMultiprocessor = 64 * 1024;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  const int most_threads[3] = {1024, 1024, 64}, most_blocks[3] = {2147483647, 65535, 65535};
  std::memcpy(properties->maxThreadsDim, most_threads, sizeof most_threads);
  std::memcpy(properties->maxGridSize, most_blocks, sizeof most_blocks);
  properties->major = chip.major;
  properties->minor = chip.minor;
  properties->multiProcessorCount = chip.multiprocessors;
  properties->l2CacheSize = static_cast<int>(chip.cache);
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->maxBlocksPerMultiProcessor = 32;
  properties->memoryBusWidth = 5120;
  properties->cooperativeLaunch = properties->concurrentKernels = properties->unifiedAddressing = 1;
  properties->clusterLaunch = chip.major >= 9 ? 1 : 0;
  properties->memoryPoolsSupported = state().policy.memory_pools ? 1 : 0;
  properties->pageableMemoryAccessUsesHostPageTables = state().policy.shares_host_pages ? 1 : 0;
  properties->asyncEngineCount = 2;
  properties->pciBusID = device + 1;
  return call.done(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  const Call call("cudaDeviceGetAttribute", false);
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, device)) return call.done(error);
  const std::map<cudaDeviceAttr, std::size_t> values = {
      {cudaDevAttrMaxThreadsPerBlock, p.maxThreadsPerBlock},
      {cudaDevAttrMaxSharedMemoryPerBlock, p.sharedMemPerBlock},
      {cudaDevAttrWarpSize, p.warpSize},
      {cudaDevAttrMultiProcessorCount, p.multiProcessorCount},
      {cudaDevAttrL2CacheSize, p.l2CacheSize},
      {cudaDevAttrComputeCapabilityMajor, p.major},
      {cudaDevAttrComputeCapabilityMinor, p.minor},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, p.sharedMemPerMultiprocessor},
      {cudaDevAttrCooperativeLaunch, p.cooperativeLaunch},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, p.sharedMemPerBlockOptin},
      {cudaDevAttrMaxBlocksPerMultiprocessor, p.maxBlocksPerMultiProcessor},
      {cudaDevAttrReservedSharedMemoryPerBlock, p.reservedSharedMemPerBlock},
      {cudaDevAttrMemoryPoolsSupported, p.memoryPoolsSupported},
      {cudaDevAttrPageableMemoryAccessUsesHostPageTables, p.pageableMemoryAccessUsesHostPageTables},
      {cudaDevAttrClusterLaunch, p.clusterLaunch}};
  const auto found = values.find(attribute);
  if (found == values.end()) return call.done(cudaErrorInvalidValue);
  *value = static_cast<int>(found->second);
  return call.done(cudaSuccess);
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  const Call call("cudaRuntimeGetVersion", false);
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  const Call call("cudaDriverGetVersion", false);
  *version = 13000;
  return cudaSuccess;
}

}  // extern "C"
