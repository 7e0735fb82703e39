#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <string>

#include "cugad/error.hpp"
#include "host/backend/cuda_graph.hpp"
#include "host/backend/cuda_memory.hpp"
#include "host/backend/cuda_op_table.hpp"
#include "host/backend/open_cuda.hpp"
#include "kernels/device/image.cuh"
#include "kernels/device/limits.hpp"
#include "kernels/joined/joined_ops.hpp"
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define CUGAD_HAS_RANGES 1
#endif

/// The CUDA backend: device memory, streams, graphs and errors through the CUDA runtime (or, for tests without a GPU,
/// through the emulator, which offers the same calls).
namespace cugad {
namespace {

#if defined(CUGAD_EMULATED)
constexpr std::string_view family = "emulated";
#else
constexpr std::string_view family = "cuda";
#endif
constexpr int oldest_capability = 80;

/// The context of the device that was opened last, for addresses without a device of this library.
std::mutex opened_mutex;
std::optional<PrimaryContext> opened;

class CudaBackend final : public Backend {
 public:
  CudaBackend(int index, const PrimaryContext& context, const cudaDeviceProp& properties)
      : index_(index),
        context_(context),
        errors_(std::string(family) + ":" + std::to_string(index)),
        memory_(errors_),
        ops_(cuda_op_table()) {
    limits_.compute_major = properties.major;
    limits_.compute_minor = properties.minor;
    limits_.multiprocessors = properties.multiProcessorCount;
    limits_.shared_memory_per_block = properties.sharedMemPerBlockOptin;
    limits_.shared_memory_per_multiprocessor = properties.sharedMemPerMultiprocessor;
    limits_.cache_bytes = static_cast<std::size_t>(properties.l2CacheSize);
    description_ = std::string(properties.name) + ", compute capability " + std::to_string(properties.major) + "." +
                   std::to_string(properties.minor) + ", " + std::to_string(properties.multiProcessorCount) +
                   " multiprocessors, " + mebibytes(properties.totalGlobalMem) + " of memory, " +
                   std::to_string(properties.sharedMemPerBlockOptin >> 10) + " KiB of shared memory per block";
    const CurrentDevice current(*this);
    memory_.open(index_);
    require(cudaDeviceGetAttribute(&shares_host_pages_, cudaDevAttrPageableMemoryAccessUsesHostPageTables, index_),
            "cudaDeviceGetAttribute");
    require(cudaEventCreateWithFlags(&default_mark_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
  ~CudaBackend() override {
    const ContextScope here(context_);
    if (default_mark_ != nullptr) device::forget(cudaEventDestroy(default_mark_));
    memory_.close();
  }

  const std::string& name() const override { return errors_.device(); }
  std::string description() const override { return description_; }
  const OpTable& ops() const override { return ops_; }
  int index() const override { return index_; }
  bool is_host_memory() const override { return false; }
  bool runs_models_together() const override { return true; }
  const DeviceLimits& limits() const { return limits_; }

  void* allocate(std::size_t bytes, void* stream) override {
    const CurrentDevice current(*this);
    return memory_.allocate(bytes, static_cast<cudaStream_t>(stream));
  }
  void release(void* memory, void* stream) noexcept override {
    if (memory == nullptr) return;
    const ContextScope here(context_);
    memory_.release(memory, static_cast<cudaStream_t>(stream), here.status());
  }
  void use_allocator(const DeviceAllocator& allocator) override { memory_.use_allocator(allocator); }
  void limit_memory(std::size_t max_device_bytes) override { memory_.limit_memory(max_device_bytes); }
  std::size_t available_bytes() const override {
    const ContextScope here(context_);
    return memory_.available_bytes();
  }
  MemoryUse memory() const override { return memory_.use(); }

  void* allocate_pinned(std::size_t bytes) override {
    const CurrentDevice current(*this);
    void* memory = nullptr;
    const std::size_t size = std::max<std::size_t>(bytes, 1);
    const cudaError_t status = cudaHostAlloc(&memory, size, cudaHostAllocPortable);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw Error(ErrorCode::out_of_memory,
                  "out of memory: " + std::to_string(size) + " pinned bytes requested of the host");
    }
    require(status, "cudaHostAlloc of " + std::to_string(size) + " bytes");
    std::fill_n(static_cast<std::byte*>(memory), size, std::byte{0});
    return memory;
  }
  void release_pinned(void* memory) noexcept override {
    if (memory == nullptr) return;
    const ContextScope here(context_);
    device::forget(cudaFreeHost(memory));
  }

  void copy(void* destination, const void* source, std::size_t bytes, void* stream) override {
    if (bytes == 0) return;
    const CurrentDevice current(*this);
    require(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(stream)),
            "cudaMemcpyAsync of " + std::to_string(bytes) + " bytes");
    finish_copy(destination, source, stream);
  }
  void copy_rows(void* destination, std::size_t destination_stride, const void* source, std::size_t source_stride,
                 std::size_t row_bytes, std::size_t rows, void* stream) override {
    if (row_bytes == 0 || rows == 0) return;
    if (rows == 1) return copy(destination, source, row_bytes, stream);  // strides are not checked
    const CurrentDevice current(*this);
    require(cudaMemcpy2DAsync(destination, destination_stride, source, source_stride, row_bytes, rows,
                              cudaMemcpyDefault, static_cast<cudaStream_t>(stream)),
            "cudaMemcpy2DAsync of " + std::to_string(rows) + " rows of " + std::to_string(row_bytes) + " bytes");
    finish_copy(destination, source, stream);
  }
  void synchronize(void* stream) override {
    const CurrentDevice current(*this);
    require(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "cudaStreamSynchronize");
  }
  MemoryKind memory_kind(const void* memory) const override {
    const ContextScope here(context_);
    cudaPointerAttributes attributes = {};
    if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
      cudaGetLastError();
      return MemoryKind::host;
    }
    if (attributes.type == cudaMemoryTypeManaged) return MemoryKind::managed;
    if (attributes.type == cudaMemoryTypeHost) return MemoryKind::pinned;
    if (attributes.type != cudaMemoryTypeDevice) return MemoryKind::host;
    return attributes.device == index_ ? MemoryKind::device : MemoryKind::foreign;
  }

  void* make_stream() override {
    const CurrentDevice current(*this);
    cudaStream_t stream = nullptr;
    require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    const cudaError_t status = memory_.order().add(stream);
    if (status != cudaSuccess) cudaStreamDestroy(stream);
    require(status, "cudaEventCreateWithFlags");
    return stream;
  }
  void release_stream(void* stream) noexcept override {
    if (stream == nullptr) return;
    const ContextScope here(context_);
    device::forget(memory_.order().remove(static_cast<cudaStream_t>(stream)));
    device::forget(cudaStreamDestroy(static_cast<cudaStream_t>(stream)));
  }
  void wait_for_default_stream(void* stream) override {
    const CurrentDevice current(*this);
    const std::lock_guard lock(device::beginning_of_recordings());
    cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
    const cudaError_t status = cudaStreamIsCapturing(cudaStreamLegacy, &recording);
    if (status == cudaErrorStreamCaptureImplicit) {
      cudaGetLastError();
      throw Error(ErrorCode::unsupported,
                  "memory of " + name() +
                      " is used in the order of the legacy default stream, which CUDA forbids while a blocking stream "
                      "is captured: name the stream to work on (use_stream)");
    }
    require(status, "cudaStreamIsCapturing");
    require(cudaEventRecord(default_mark_, cudaStreamLegacy), "cudaEventRecord");
    require(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), default_mark_, 0), "cudaStreamWaitEvent");
  }
  void mark_use(void* stream) noexcept override {
    const ContextScope here(context_);
    try {
      device::forget(memory_.order().mark(static_cast<cudaStream_t>(stream)));
    } catch (const std::bad_alloc&) {  // without a mark a release has nothing to wait for: wait here
      device::forget(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)));
    }
  }
  void* make_event() override {
    const CurrentDevice current(*this);
    cudaEvent_t event = nullptr;
    require(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    return event;
  }
  void release_event(void* event) noexcept override {
    if (event == nullptr) return;
    const ContextScope here(context_);
    device::forget(cudaEventDestroy(static_cast<cudaEvent_t>(event)));
  }
  void mark(void* event, void* stream) override {
    const CurrentDevice current(*this);
    require(cudaEventRecord(static_cast<cudaEvent_t>(event), static_cast<cudaStream_t>(stream)), "cudaEventRecord");
  }
  void wait(void* stream, void* event) override {
    const CurrentDevice current(*this);
    require(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), static_cast<cudaEvent_t>(event), 0),
            "cudaStreamWaitEvent");
  }
  void synchronize_event(void* event) override {
    const CurrentDevice current(*this);
    require(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "cudaEventSynchronize");
  }

  int enter() override {
    errors_.require_working();
    int before = 0;
    require(context_.enter(before), "cuCtxPushCurrent");
    return before;
  }
  void leave(int before) noexcept override { context_.leave(before); }
  void only_load_kernels(bool only) override { device::only_loads = only; }
#if defined(CUGAD_HAS_RANGES)
  void begin_range(const char* name) override { nvtxRangePushA(name); }
  void end_range() noexcept override { nvtxRangePop(); }
#endif

  void begin_recording(void* stream) override {
    const CurrentDevice current(*this);
    require(device::begin_recording(static_cast<cudaStream_t>(stream)), "cudaStreamBeginCapture");
  }
  std::unique_ptr<RecordedWork> end_recording(void* stream) override {
    const CurrentDevice current(*this);
    cudaGraph_t graph = nullptr;
    require(cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph), "cudaStreamEndCapture");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
    if (status != cudaSuccess) device::forget(cudaGraphDestroy(graph));
    require(status, "cudaGraphInstantiate");
    auto recorded = std::make_unique<CudaGraph>(context_, executable, graph);
    require(recorded->upload(static_cast<cudaStream_t>(stream)), "cudaGraphUpload");
    return recorded;
  }
  void join(Context& context, const std::function<void()>& work) override {
    const device::EarlyLaunches early;
    cuda::JoinedOps joined(context);
    work();
    joined.issue();
  }
  bool is_recording(void* stream) const override {
    const ContextScope here(context_);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(static_cast<cudaStream_t>(stream), &status) == cudaSuccess) {
      return status != cudaStreamCaptureStatusNone;
    }
    cudaGetLastError();  // the legacy stream, while another one is recorded
    return false;
  }

 private:
  /// Waits for a copy of host memory if the device reads the host's pages itself: such a copy outlasts its call.
  void finish_copy(const void* destination, const void* source, void* stream) {
    if (shares_host_pages_ == 0 || is_recording(stream)) return;
    if (memory_kind(destination) == MemoryKind::host || memory_kind(source) == MemoryKind::host) synchronize(stream);
  }

  void require(cudaError_t status, const std::string& call) { errors_.require(status, call); }

  int index_;
  PrimaryContext context_;
  CudaErrors errors_;
  CudaMemory memory_;
  int shares_host_pages_ = 0;
  cudaEvent_t default_mark_ = nullptr;  ///< on the legacy default stream
  std::string description_;
  OpTable ops_;
  DeviceLimits limits_;
};

int index_in(std::string_view name) {
  if (name == family) return 0;
  int index = -1;
  const char* const end = name.data() + name.size();
  if (name.size() > family.size() + 1 && name.substr(0, family.size()) == family && name[family.size()] == ':') {
    const auto [stop, failure] = std::from_chars(name.data() + family.size() + 1, end, index);
    if (failure != std::errc() || stop != end) index = -1;
  }
  if (index < 0) {
    throw Error(ErrorCode::unsupported, "device '" + std::string(name) + "' is not available: this build has '" +
                                            std::string(family) + "' and '" + std::string(family) + ":N'");
  }
  return index;
}

Error unavailable(std::string_view name, const std::string& why) {
  return {ErrorCode::unsupported, "device '" + std::string(name) + "' is not available: " + why};
}

}  // namespace

int count_cuda(std::string_view name) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    cudaGetLastError();
    throw unavailable(name, std::string(cudaGetErrorString(status)) + " (" + cudaGetErrorName(status) + ")");
  }
  return count;
}

std::shared_ptr<Backend> open_cuda(std::string_view name) {
  const int index = index_in(name);
  const auto refuse = [&](const std::string& why) { return unavailable(name, why); };
  const int count = count_cuda(name);
  if (index >= count) {
    throw refuse("this machine has " + std::to_string(count) + " CUDA device" + (count == 1 ? "" : "s"));
  }
  cudaDeviceProp properties = {};
  device::check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  if (10 * properties.major + properties.minor < oldest_capability) {
    throw refuse(std::string(properties.name) + " has compute capability " + std::to_string(properties.major) + "." +
                 std::to_string(properties.minor) + ", expected 8.0 or later");
  }
  if (properties.memoryPoolsSupported == 0) {
    throw refuse(
        std::string(properties.name) +
        " has no memory pools (cudaDevAttrMemoryPoolsSupported is 0), which this library takes its memory from");
  }
  PrimaryContext context;
  device::check(context.open(index), std::string(name) + ": cuDevicePrimaryCtxRetain");
  {
    const ContextScope here(context);
    cudaError_t found = here.status();
    if (found == cudaSuccess) found = device::find_kernel_image();
    device::forget(found);
    if (found == cudaErrorNoKernelImageForDevice) {
      const std::string capability = std::to_string(properties.major) + std::to_string(properties.minor);
      throw refuse("this build has no machine code for " + std::string(properties.name) + ", compute capability " +
                   std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                   ": build it with -DCUGAD_CUDA_ARCHITECTURES=" + capability);
    }
    device::check(found, std::string(name) + ": cudaFuncGetAttributes");
  }
  auto backend = std::make_shared<CudaBackend>(index, context, properties);
  const std::lock_guard lock(opened_mutex);
  opened = context;
  return backend;
}

bool is_cuda_device_memory(const void* memory) {
  const std::lock_guard lock(opened_mutex);
  if (!opened) return false;
  const ContextScope here(*opened);
  cudaPointerAttributes attributes = {};
  if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return attributes.type == cudaMemoryTypeDevice;
}

const DeviceLimits& device_limits(const Context& context) {
  return static_cast<const CudaBackend&>(context.backend()).limits();
}

}  // namespace cugad
