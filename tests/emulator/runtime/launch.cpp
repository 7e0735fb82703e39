#include "tests/emulator/runtime/launch.hpp"

#include <algorithm>
#include <cstdio>

#include "tests/emulator/runtime/races.hpp"
#include "tests/emulator/runtime/stream.hpp"

/// Launch shapes and kernel attributes.
namespace emulator {
namespace {

constexpr std::size_t kSharedWithoutAsking = 48 * 1024;

int resident_blocks(int threads, std::size_t shared_bytes) {
  const Chip& chip = state().policy.chip;
  const auto by_shared = static_cast<int>(chip.shared_memory_per_multiprocessor / (shared_bytes + 1024));
  return std::min({32, 2048 / std::max(1, (threads + 31) / 32 * 32), by_shared});
}

std::size_t shared_limit(const void* kernel) {
  const auto raised = device_state().shared_limits.find(kernel);
  return raised == device_state().shared_limits.end() ? kSharedWithoutAsking : static_cast<std::size_t>(raised->second);
}

cudaError_t read_attributes(const cudaLaunchConfig_t& config, Launch& launch) {
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id == cudaLaunchAttributeClusterDimension) {
      launch.cluster = attribute.val.clusterDim.x;
      if (attribute.val.clusterDim.y != 1 || attribute.val.clusterDim.z != 1) return cudaErrorNotSupported;
    } else if (attribute.id == cudaLaunchAttributeCooperative) {
      launch.cooperative = attribute.val.cooperative != 0;
    } else if (attribute.id == cudaLaunchAttributeProgrammaticStreamSerialization) {
      launch.early = attribute.val.programmaticStreamSerializationAllowed != 0;
    }
  }
  return cudaSuccess;
}

cudaError_t check_shape(const Launch& launch, const void* kernel) {
  const dim3 &grid = launch.grid, &block = launch.block;
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64 || launch.blocks() == 0) return cudaErrorInvalidConfiguration;
  if (grid.x > 2147483647u || grid.y > 65535u || grid.z > 65535u) return cudaErrorInvalidConfiguration;
  if (launch.shared_bytes > shared_limit(kernel)) return cudaErrorInvalidValue;
  const Chip& chip = state().policy.chip;
  if (launch.early && chip.major < 9) return cudaErrorNotSupported;
  if (launch.cluster > 1) {
    if (chip.major < 9) return cudaErrorNotSupported;
    if (launch.cluster > 8 || grid.x % launch.cluster != 0) return cudaErrorInvalidConfiguration;
  } else if (launch.cluster == 0) {
    return cudaErrorInvalidConfiguration;
  }
  const auto resident = static_cast<std::uint64_t>(resident_blocks(static_cast<int>(threads), launch.shared_bytes)) *
                        static_cast<std::uint64_t>(chip.multiprocessors);
  if (launch.cooperative && launch.blocks() > resident) return cudaErrorCooperativeLaunchTooLarge;
  return cudaSuccess;
}

}  // namespace

cudaError_t launch_kernel(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body) {
  const Call call("cudaLaunchKernelEx");
  if (call.pending() != cudaSuccess) return call.pending();
  auto launch = std::make_shared<Launch>();
  launch->body = std::move(body);
  launch->grid = config.gridDim;
  launch->block = config.blockDim;
  launch->shared_bytes = config.dynamicSmemBytes;
  if (const cudaError_t error = read_attributes(config, *launch)) return call.done(error);
  if (const cudaError_t error = check_shape(*launch, kernel)) return call.done(error);
  const cudaStream_t stream = resolve(config.stream);
  if (state().streams.count(stream) == 0 || stream->device != current_device()) {
    return call.done(cudaErrorInvalidResourceHandle);
  }
  if (!load_kernel(call, kernel, stream)) return call.done(cudaErrorStreamCaptureUnsupported);
  return call.done(submit(stream, [launch] {
    ++state().calls["kernel"];
    if (launch->early) ++state().calls["early kernel"];
    launch->number = state().launches++;
    races::begin_launch();
    const std::string failure = run_launch(*launch);
    if (!failure.empty()) fail_device(failure);
  }));
}

void note(const std::string& report) {
  std::fprintf(stderr, "emulator: %s\n", report.c_str());
  if (state().report.empty()) state().report = report;
}

void fail_device(const std::string& report) {
  note(report);
  device_state().sticky = cudaErrorLaunchFailure;
}

bool load_kernel(const Call& call, const void* kernel, cudaStream_t stream) {
  if (device_state().loaded.count(kernel) > 0) return true;
  const bool captured = stream != nullptr && stream->capture != nullptr;
  if (captured) stream->capture->invalidated = true;
  if (captured || call.breaks_capture()) {
    note("a kernel that is loaded for the first time while a stream is captured, which drivers before 12.3 refuse");
    return false;
  }
  device_state().loaded.insert(kernel);
  return true;
}

cudaError_t set_function_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const Call call("cudaFuncSetAttribute");
  if (call.pending() != cudaSuccess) return call.pending();
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<std::size_t>(value) > state().policy.chip.shared_memory_per_block) {
    return call.done(cudaErrorInvalidValue);
  }
  if (!load_kernel(call, kernel, nullptr)) return call.done(cudaErrorStreamCaptureUnsupported);
  device_state().shared_limits[kernel] = std::max(value, static_cast<int>(kSharedWithoutAsking));
  return call.done(cudaSuccess);
}

cudaError_t get_function_attributes(cudaFuncAttributes* attributes, const void* kernel) {
  const Call call("cudaFuncGetAttributes");
  *attributes = {};
  if (!state().policy.kernel_image) return call.done(cudaErrorNoKernelImageForDevice);
  if (!load_kernel(call, kernel, nullptr)) return call.done(cudaErrorStreamCaptureUnsupported);
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = 10 * state().policy.chip.major + state().policy.chip.minor;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(shared_limit(kernel));
  return call.done(call.pending());
}

cudaError_t active_blocks(int* blocks, const void*, int threads, std::size_t shared_bytes) {
  const Call call("cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  *blocks = resident_blocks(threads, shared_bytes);
  return call.done(call.pending());
}

}  // namespace emulator
