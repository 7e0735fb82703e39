#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "cugad/export.h"

/// Where the work runs.
namespace cugad {

class Backend;

/// How products of dense layers and of the latent search are computed. Master weights, optimiser state, z, losses and
/// scores are float32 in every mode; sums are float32 in every mode.
enum class Precision : std::int32_t {
  fp32,  ///< exact float32 fused multiply-adds, the only mode of the CPU backend (it serves the others with this one)
  tf32,  ///< operands rounded to 10 mantissa bits (tensor cores)
  bf16,  ///< operands rounded to bfloat16, 7 mantissa bits (tensor cores)
};

/// Device memory that this library holds.
struct MemoryUse {
  std::size_t bytes = 0;       ///< now
  std::size_t peak_bytes = 0;  ///< the most so far
};

/// Device memory from an allocator of the caller's (PyTorch's caching allocator, RMM) in place of the library's own
/// pool. Both functions are called by the threads that use the device, also several at once; they must neither throw
/// nor call the library. `stream` is a cudaStream_t: memory is used in its order first, and given back in its order
/// last.
struct DeviceAllocator {
  void* (*allocate)(std::size_t bytes, void* stream, void* user) = nullptr;  ///< aligned to 64 bytes; null: none left
  void (*free)(void* memory, std::size_t bytes, void* stream, void* user) = nullptr;
  void* user = nullptr;  ///< given to both
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
  /// The device stream (cudaStream_t on CUDA, null on the CPU). A context begins with a stream of its own.
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
  /// How often scratch() had to allocate; stands still inside training and scoring loops.
  std::size_t scratch_allocations() const { return scratch_allocations_; }
  /// The caller's promise that weights given to dense layers on this context (DenseForward, LatentSearch,
  /// ReconstructionScore) and banks given to NearestRows change no more while it lives: a backend may keep what it
  /// makes of them between calls. No result depends on it.
  void freeze_weights() { frozen_ = true; }
  bool has_frozen_weights() const { return frozen_; }
  /// Memory that an op keeps under `key`, 64-byte aligned, and that `fill` writes when it is asked for the first time:
  /// until the last of the contexts that share it ends.
  using KeptKey = std::array<std::int64_t, 6>;
  const void* keep(const KeptKey& key, std::size_t bytes, const std::function<void(void*)>& fill);
  /// Keeps no memory of its own, but that of `other`, whose frozen weights are the same. Ops may then run on both at
  /// once, in different threads.
  void share_kept(const Context& other);
  /// Calls body() with every op on this context only asked for its workspace, then takes the largest: afterwards the
  /// same ops allocate nothing, as recording them as a graph demands.
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
  std::map<KeptKey, const void*> known_;  ///< of what is kept, what this context has used: found without waiting
};

/// A device that answered. Cheap to copy; copies share the device, and so does one that was moved from.
class CUGAD_API Device {
 public:
  Device(const Device&) = default;
  Device& operator=(const Device&) = default;
  /// `name` is "auto", "cpu", "cuda" or "cuda:N". "auto" takes CUDA if a device answers, else the CPU.
  /// Throws Error{unsupported} that names the reason when a named device is not there: never a silent fallback.
  /// `threads` bounds the host threads of the CPU backend; 0 takes all processors that this process may use.
  static Device open(std::string_view name = "auto", int threads = 0);

  /// "cpu" or "cuda:N".
  const std::string& name() const;
  /// One line for people: the instruction set or the chip.
  std::string description() const;
  int threads() const { return threads_; }
  /// The same device with contexts that compute in `precision`. Throws Error{unsupported} where it cannot.
  Device with_precision(Precision precision) const;
  Precision precision() const { return precision_; }
  /// The same device with contexts whose CPU ops use up to `threads` threads, at least 1.
  Device with_threads(int threads) const;
  /// Memory that this library holds on the device, over all contexts.
  MemoryUse memory() const;
  /// Takes device memory from the caller's allocator from now on; of null functions: from the library's own pool.
  /// Memory goes back to where it came from, for which the allocator must live as long as the device and all that was
  /// made of it. Applies to all copies of this device. Throws Error{unsupported} on the CPU, Error{invalid_argument}
  /// for one function without the other.
  void use_allocator(const DeviceAllocator& allocator) const;
  /// The library holds at most so many bytes of device memory; 0: as many as there are. Trainings work in parts that
  /// fit; what does not fit is Error{out_of_memory}. Applies to all copies of this device. Throws Error{unsupported} on
  /// the CPU.
  void limit_memory(std::size_t max_device_bytes) const;
  /// A new context whose CPU ops use up to `threads` threads (0: all of this device).
  Context make_context(int threads = 0) const;
  Backend& backend() const { return *backend_; }

 private:
  Device(std::shared_ptr<Backend> backend, int threads);
  std::shared_ptr<Backend> backend_;
  int threads_ = 1;
  Precision precision_ = Precision::fp32;
};

/// "fp32", "tf32" or "bf16", and back. Throws Error{invalid_argument} for another name.
CUGAD_API Precision precision_from(std::string_view name);
CUGAD_API const char* name_of(Precision precision);

}  // namespace cugad
