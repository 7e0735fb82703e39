#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

/// Where the work runs.
namespace cugad {

class Backend;

/// One ordered stream of work on a device, with the scratch memory that ops need. Ops are asynchronous on a context's
/// stream (the CPU backend finishes before it returns). One host thread uses a context at a time.
class Context {
 public:
  Context(std::shared_ptr<Backend> backend, int threads);
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;

  Backend& backend() const { return *backend_; }
  /// Host threads that a CPU op may use; results never depend on it.
  int threads() const { return threads_; }
  /// The device stream (cudaStream_t on CUDA, null on the CPU).
  void* stream() const { return stream_; }
  void use_stream(void* stream) { stream_ = stream; }
  /// Scratch memory of at least `bytes`, 64-byte aligned, valid until the next call. Grows, never shrinks.
  void* scratch(std::size_t bytes);
  /// How often scratch() had to allocate; stands still inside training and scoring loops.
  std::size_t scratch_allocations() const { return scratch_allocations_; }
  /// Waits until all work of this context is done.
  void synchronize();

 private:
  std::shared_ptr<Backend> backend_;
  int threads_ = 1;
  void* stream_ = nullptr;
  void* scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
  std::size_t scratch_allocations_ = 0;
};

/// A device that answered. Cheap to copy; copies share the device.
class Device {
 public:
  /// `name` is "auto", "cpu", "cuda" or "cuda:N". "auto" takes CUDA if a device answers, else the CPU.
  /// Throws Error{unsupported} that names the reason when a named device is not there: never a silent fallback.
  /// `threads` bounds the host threads of the CPU backend; 0 takes all processors that this process may use.
  static Device open(std::string_view name = "auto", int threads = 0);

  /// "cpu" or "cuda:N".
  const std::string& name() const;
  /// One line for people: the instruction set or the chip.
  std::string description() const;
  int threads() const { return threads_; }
  /// A new context whose CPU ops use up to `threads` threads (0: all of this device).
  Context make_context(int threads = 0) const;
  Backend& backend() const { return *backend_; }

 private:
  Device(std::shared_ptr<Backend> backend, int threads);
  std::shared_ptr<Backend> backend_;
  int threads_ = 1;
};

}  // namespace cugad
