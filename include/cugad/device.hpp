#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cugad/export.h"

/// Devices, and contexts: ordered streams of work on a device.
namespace cugad {

class Backend;

/// How products of dense layers and of the latent search are computed. Master weights, optimiser state, z, losses and
/// scores are float32 in every mode; sums are float32 in every mode.
enum class Precision : std::int32_t {
  fp32,  ///< exact float32 fused multiply-adds
  tf32,  ///< operands rounded to 10 mantissa bits (tensor cores); not on the CPU, whose ops take it for fp32
  bf16,  ///< operands rounded to bfloat16, 7 mantissa bits (tensor cores, AVX512-BF16 or rounded floats)
};

/// Device memory that this library holds.
struct MemoryUse {
  std::size_t bytes = 0;       ///< now
  std::size_t peak_bytes = 0;  ///< the most so far
};

/// An allocator of the caller's for device memory (PyTorch's caching allocator, RMM), which replaces the library's own
/// pool. The threads that use the device call both functions, also several at once; they must neither throw nor call
/// the library. `stream` is a cudaStream_t: the first use of the memory and its release are ordered by it.
struct DeviceAllocator {
  void* (*allocate)(std::size_t bytes, void* stream,
                    void* user) = nullptr;  ///< aligned to 64 bytes; null: out of memory
  void (*free)(void* memory, std::size_t bytes, void* stream, void* user) = nullptr;
  void* user = nullptr;  ///< passed to both
};

/// One ordered stream of work on a device, with the scratch memory that ops need. Ops are asynchronous on a context's
/// stream (the CPU backend finishes before it returns). One host thread uses a context at a time.
class CUGAD_API Context {
 public:
  Context(std::shared_ptr<Backend> backend, int threads);
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;

  Backend& backend() const { return *backend_; }
  /// Host threads that a CPU op may use; results never depend on it.
  int threads() const { return threads_; }
  /// The device stream (cudaStream_t on CUDA, null on the CPU). A new context has its own stream.
  void* stream() const { return stream_; }
  /// Issues all further work on the caller's stream: it runs after what the caller issued there before, and what the
  /// caller issues there later sees its results. The stream must outlive the context's work on it. Null: the context's
  /// own stream again.
  void use_stream(void* stream) { stream_ = stream == nullptr ? own_stream_ : stream; }
  bool has_own_stream() const { return stream_ == own_stream_; }
  Precision precision() const { return precision_; }
  void use_precision(Precision precision) { precision_ = precision; }
  /// At least `bytes`, 64-byte aligned, until the next call. Grows, never shrinks; while captured: Error{unsupported}.
  void* scratch(std::size_t bytes);
  /// The number of allocations by scratch(); constant inside training and scoring loops.
  std::size_t scratch_allocations() const { return scratch_allocations_; }
  /// The caller's promise that weights given to dense layers on this context (DenseForward, LatentSearch,
  /// ReconstructionScore) and banks given to NearestRows are constant while it lives: a backend may cache data derived
  /// from them between calls. No result depends on it.
  void freeze_weights() { frozen_ = true; }
  bool has_frozen_weights() const { return frozen_; }
  /// Memory cached under `key`, 64-byte aligned; `fill` writes it at the first request. It lives until the last of the
  /// contexts that share it ends.
  using KeptKey = std::array<std::int64_t, 6>;
  const void* keep(const KeptKey& key, std::size_t bytes, const std::function<void(void*)>& fill);
  /// Shares the cached memory of `other`, whose frozen weights are the same. Ops may then run on both at once, in
  /// different threads.
  void share_kept(const Context& other);
  /// Calls body(), in which every op on this context only reports its workspace, then allocates the largest: afterwards
  /// the same ops allocate nothing, which recording them as a graph requires.
  template <class Body>
  void plan(Body&& body) {
    planning_ = true;
    planned_bytes_ = 0;
    try {
      body();
    } catch (...) {
      planning_ = false;
      throw;
    }
    planning_ = false;
    if (planned_bytes_ > 0) scratch(planned_bytes_);
  }
  bool planning() const { return planning_; }
  void plan_scratch(std::size_t bytes) { planned_bytes_ = bytes > planned_bytes_ ? bytes : planned_bytes_; }
  /// Waits until all work of this context is done.
  void synchronize();

 private:
  std::shared_ptr<Backend> backend_;
  int threads_ = 1;
  void* stream_ = nullptr;
  void* own_stream_ = nullptr;
  Precision precision_ = Precision::fp32;
  void* scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
  std::size_t scratch_allocations_ = 0;
  bool planning_ = false;
  std::size_t planned_bytes_ = 0;
  bool frozen_ = false;
  struct KeptMemory;
  std::shared_ptr<KeptMemory> kept_;
  std::map<KeptKey, const void*> known_;  ///< cached memory that this context has used: found without a lock
};

/// An open device, and others that train beside it. Cheap to copy; copies share the device, and so does a moved-from
/// one.
class CUGAD_API Device {
 public:
  Device(const Device&) = default;
  Device& operator=(const Device&) = default;
  /// `name` is "auto", "cpu", "cuda" or "cuda:N". "auto" opens CUDA if a device is available, else the CPU. "cpu" takes
  /// the widest instruction set of the machine; "cpu:baseline", "cpu:avx2", "cpu:avx512", "cpu:avx512bf16", "cpu:neon",
  /// "cpu:sve256" or "cpu:sve512" name one.
  /// Throws Error{unsupported} with the reason if a named device is unavailable: never a silent fallback. `threads`
  /// bounds the host threads of the CPU backend; 0: all processors that this process may use. Several CUDA devices,
  /// "cuda:0,cuda:1" or "cuda:all", train the models of a population and the groups of a fleet at once, each device the
  /// next when it is free; all else is done by the first. Devices of one kind give the bits of one of them.
  static Device open(std::string_view name = "auto", int threads = 0);

  /// Those that train beside this one.
  const std::vector<Device>& others() const { return others_; }
  /// This one without the others.
  Device alone() const;
  /// "cpu" or "cuda:N".
  const std::string& name() const;
  /// One line of text: the instruction set or the chip.
  std::string description() const;
  int threads() const { return threads_; }
  /// The same device with contexts that compute in `precision`. Throws Error{unsupported} if the device does not
  /// support it.
  Device with_precision(Precision precision) const;
  Precision precision() const { return precision_; }
  /// The same device with contexts whose CPU ops use up to `threads` threads, at least 1.
  Device with_threads(int threads) const;
  /// Memory that this library holds on the device, over all contexts.
  MemoryUse memory() const;
  /// Allocates device memory from the caller's allocator from now on; null functions: from the library's own pool. The
  /// allocator that allocated memory also frees it, and must live as long as the device and every object created from
  /// it. Applies to all copies of this device. Throws Error{unsupported} on the CPU, Error{invalid_argument} for one
  /// function without the other.
  void use_allocator(const DeviceAllocator& allocator) const;
  /// Bounds the device memory that the library holds, in bytes; 0: no bound. Trainings run in parts that fit; an
  /// allocation beyond the bound throws Error{out_of_memory}. Applies to all copies of this device. Throws
  /// Error{unsupported} on the CPU.
  void limit_memory(std::size_t max_device_bytes) const;
  /// A new context whose CPU ops use up to `threads` threads (0: all of this device).
  Context make_context(int threads = 0) const;
  Backend& backend() const { return *backend_; }

 private:
  Device(std::shared_ptr<Backend> backend, int threads);
  static Device open_several(std::string_view list, int threads);
  std::shared_ptr<Backend> backend_;
  int threads_ = 1;
  Precision precision_ = Precision::fp32;
  std::vector<Device> others_;
};

/// "fp32", "tf32" or "bf16", and back. Throws Error{invalid_argument} for another name.
CUGAD_API Precision precision_from(std::string_view name);
CUGAD_API const char* name_of(Precision precision);

}  // namespace cugad
