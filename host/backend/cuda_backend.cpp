#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "cugad/error.hpp"
#include "host/backend/memory_order.hpp"
#include "host/backend/open_cuda.hpp"
#include "host/backend/primary_context.hpp"
#include "kernels/device/entries.hpp"
#include "kernels/device/image.cuh"
#include "kernels/device/limits.hpp"
#include "kernels/device/runtime.cuh"
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

/// Of the device that was opened last, for questions about addresses that no device of this library is behind.
std::mutex opened_mutex;
std::optional<PrimaryContext> opened;

/// An op, where it may be joined with those before it (Backend::join).
template <class Args, OpEntry<Args> (*entry)()>
void run_in_turn(Context& context, const Args& args) {
  cuda::JoinedOps* const joined = cuda::JoinedOps::of(context);
  if (joined == nullptr || !joined->take(args)) entry().run(context, args);
}

OpTable op_table() {
  OpTable table;
#define CUGAD_CUDA_ENTRY(name, Args) \
  table.name = cuda::name##_entry(); \
  table.name.run = run_in_turn<Args, cuda::name##_entry>;
  CUGAD_OPS(CUGAD_CUDA_ENTRY)
#undef CUGAD_CUDA_ENTRY
  return table;
}

std::string mebibytes(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

/// Errors after which CUDA answers every call with the same error: the device is lost to this process.
bool is_sticky(cudaError_t status) {
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

class CudaGraph final : public RecordedWork {
 public:
  CudaGraph(const PrimaryContext& context, cudaGraphExec_t executable, cudaGraph_t graph)
      : context_(context), executable_(executable), graph_(graph) {}
  ~CudaGraph() override {
    const ContextScope here(context_);
    device::forget(cudaGraphExecDestroy(executable_));
    device::forget(cudaGraphDestroy(graph_));
  }
  /// Brings it to the device, so that the first launch takes no longer than the others.
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

class CudaBackend final : public Backend {
 public:
  CudaBackend(int index, const PrimaryContext& context, const cudaDeviceProp& properties)
      : index_(index), context_(context), name_(std::string(family) + ":" + std::to_string(index)), ops_(op_table()) {
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
    cudaMemPoolProps pool = {};  // the device's default pool is the process's, whose settings are not this library's
    pool.allocType = cudaMemAllocationTypePinned;
    pool.location.type = cudaMemLocationTypeDevice;
    pool.location.id = index_;
    require(cudaMemPoolCreate(&pool_, &pool), "cudaMemPoolCreate");
    std::uint64_t keep = ~std::uint64_t{0};  // freed memory stays with the pool: the next allocation is cheap
    require(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
    require(cudaDeviceGetAttribute(&shares_host_pages_, cudaDevAttrPageableMemoryAccessUsesHostPageTables, index_),
            "cudaDeviceGetAttribute");
    require(memory_order_.open(), "cudaStreamCreateWithFlags");
    require(cudaEventCreateWithFlags(&default_mark_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
  ~CudaBackend() override {
    const ContextScope here(context_);
    if (default_mark_ != nullptr) device::forget(cudaEventDestroy(default_mark_));
    memory_order_.close();
    if (pool_ != nullptr) device::forget(cudaMemPoolDestroy(pool_));  // once the last memory is back in it
  }

  const std::string& name() const override { return name_; }
  std::string description() const override { return description_; }
  const OpTable& ops() const override { return ops_; }
  int index() const override { return index_; }
  bool is_host_memory() const override { return false; }
  bool runs_models_together() const override { return true; }
  const DeviceLimits& limits() const { return limits_; }

  void* allocate(std::size_t bytes, void* stream) override {
    const CurrentDevice current(*this);
    const std::size_t size = std::max<std::size_t>(bytes, 1);
    auto* const order = stream != nullptr ? static_cast<cudaStream_t>(stream) : memory_order_.stream();
    const Held held = {size, count_in(size)};
    void* memory = nullptr;
    try {
      memory = take(held, order);
      require(cudaMemsetAsync(memory, 0, size, order), "cudaMemsetAsync");
      if (stream == nullptr) require(cudaStreamSynchronize(order), "cudaStreamSynchronize");
      const std::lock_guard lock(mutex_);
      held_[memory] = held;
      use_.peak_bytes = std::max(use_.peak_bytes, use_.bytes);
    } catch (...) {  // the device's errors, and a host without memory
      if (memory != nullptr) give_back(memory, held, order);
      const std::lock_guard lock(mutex_);
      use_.bytes -= size;
      throw;
    }
    return memory;
  }

  void release(void* memory, void* stream) noexcept override {
    if (memory == nullptr) return;
    Held held;
    {
      const std::lock_guard lock(mutex_);
      const auto found = held_.find(memory);
      if (found == held_.end()) return;
      held = found->second;
      use_.bytes -= held.bytes;
      held_.erase(found);
    }
    const ContextScope here(context_);
    cudaError_t status = here.status();
    cudaStream_t order = static_cast<cudaStream_t>(stream);
    if (stream == nullptr && status == cudaSuccess) {
      order = memory_order_.stream();
      status = memory_order_.wait_for_all();
    }
    device::forget(status);
    // Memory that may be in use is better lost than given to somebody else.
    if (status == cudaSuccess) give_back(memory, held, order);
  }
  void use_allocator(const DeviceAllocator& allocator) override {
    const std::lock_guard lock(mutex_);
    allocator_ = allocator;
  }
  void limit_memory(std::size_t max_device_bytes) override {
    const std::lock_guard lock(mutex_);
    most_bytes_ = max_device_bytes == 0 ? no_limit : max_device_bytes;
  }

  void* allocate_pinned(std::size_t bytes) override {
    const CurrentDevice current(*this);
    void* memory = nullptr;
    const std::size_t size = std::max<std::size_t>(bytes, 1);
    const cudaError_t status = cudaHostAlloc(&memory, size, cudaHostAllocPortable);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw Error(ErrorCode::out_of_memory,
                  "out of memory: " + std::to_string(size) + " pinned bytes asked of the host");
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

  std::size_t available_bytes() const override {
    std::size_t free = 0, total = 0;
    const ContextScope here(context_);
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) free = 0;
    // What the pool keeps and nobody uses is free to this library.
    std::uint64_t reserved = 0, used = 0;
    if (cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved) == cudaSuccess &&
        cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &used) == cudaSuccess && reserved > used) {
      free += static_cast<std::size_t>(reserved - used);
    }
    const std::lock_guard lock(mutex_);
    return std::min(free, most_bytes_ - std::min(most_bytes_, use_.bytes));
  }
  MemoryUse memory() const override {
    const std::lock_guard lock(mutex_);
    return use_;
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
    if (rows == 1) return copy(destination, source, row_bytes, stream);  // whose strides mean nothing
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
    const cudaError_t status = memory_order_.add(stream);
    if (status != cudaSuccess) cudaStreamDestroy(stream);
    require(status, "cudaEventCreateWithFlags");
    return stream;
  }
  void release_stream(void* stream) noexcept override {
    if (stream == nullptr) return;
    const ContextScope here(context_);
    device::forget(memory_order_.remove(static_cast<cudaStream_t>(stream)));
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
                  "memory of " + name_ +
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
      device::forget(memory_order_.mark(static_cast<cudaStream_t>(stream)));
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
    if (broken_.load()) {
      const std::lock_guard lock(mutex_);
      throw Error(ErrorCode::device, name_ + " is not used any more after an earlier failure: " + failure_);
    }
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
  static constexpr std::size_t no_limit = ~std::size_t{0};
  /// Memory that was given out, and to whom it goes back.
  struct Held {
    std::size_t bytes = 0;
    DeviceAllocator allocator;
  };

  /// Counts memory before it is there, so that several threads together stay below the limit; whose it is to be.
  DeviceAllocator count_in(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > most_bytes_ - std::min(most_bytes_, use_.bytes)) {
      throw Error(ErrorCode::out_of_memory, "out of memory on " + name_ + ": " + std::to_string(bytes) +
                                                " bytes asked with " + std::to_string(use_.bytes) +
                                                " held, expected at most " + std::to_string(most_bytes_) +
                                                " in all (max_device_bytes)");
    }
    use_.bytes += bytes;
    return allocator_;
  }
  void* take(const Held& held, cudaStream_t order) {
    void* memory = nullptr;
    const std::string asked = std::to_string(held.bytes) + " bytes asked";
    if (held.allocator.allocate != nullptr) {
      memory = held.allocator.allocate(held.bytes, order, held.allocator.user);
      if (memory == nullptr) {
        throw Error(ErrorCode::out_of_memory,
                    "out of memory on " + name_ + ": " + asked + " of the caller's allocator");
      }
      return memory;
    }
    const cudaError_t status = cudaMallocFromPoolAsync(&memory, held.bytes, pool_, order);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // this error is answered here; the device goes on
      throw Error(ErrorCode::out_of_memory,
                  "out of memory on " + name_ + ": " + asked + ", about " + mebibytes(available_bytes()) + " free");
    }
    require(status, "cudaMallocFromPoolAsync of " + std::to_string(held.bytes) + " bytes");
    return memory;
  }
  void give_back(void* memory, const Held& held, cudaStream_t order) noexcept {
    if (held.allocator.free != nullptr) return held.allocator.free(memory, held.bytes, order, held.allocator.user);
    device::forget(cudaFreeAsync(memory, order));
  }
  /// Where the device reads the host's pages itself, a copy of them is no longer over when its call returns.
  void finish_copy(const void* destination, const void* source, void* stream) {
    if (shares_host_pages_ == 0 || is_recording(stream)) return;
    if (memory_kind(destination) == MemoryKind::host || memory_kind(source) == MemoryKind::host) synchronize(stream);
  }

  /// Names the call and the device; remembers an error from which CUDA does not recover.
  void require(cudaError_t status, const std::string& call) {
    if (status == cudaSuccess) return;
    if (is_sticky(status) && !broken_.exchange(true)) {
      const std::lock_guard lock(mutex_);
      failure_ = call + ": " + cudaGetErrorString(status);
    }
    device::check(status, name_ + ": " + call);
  }

  int index_;
  PrimaryContext context_;
  int shares_host_pages_ = 0;
  cudaMemPool_t pool_ = nullptr;
  cudaEvent_t default_mark_ = nullptr;  ///< on the legacy default stream
  MemoryOrder memory_order_;
  std::string name_, description_, failure_;
  OpTable ops_;
  DeviceLimits limits_;
  std::atomic<bool> broken_ = false;
  mutable std::mutex mutex_;
  std::unordered_map<void*, Held> held_;
  DeviceAllocator allocator_;
  std::size_t most_bytes_ = no_limit;
  MemoryUse use_;
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

}  // namespace

std::shared_ptr<Backend> open_cuda(std::string_view name) {
  const int index = index_in(name);
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorCode::unsupported, "device '" + std::string(name) + "' is not available: " + why);
  };
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    cudaGetLastError();
    throw refuse(std::string(cudaGetErrorString(status)) + " (" + cudaGetErrorName(status) + ")");
  }
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
