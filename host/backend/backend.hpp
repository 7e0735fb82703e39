#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "kernels/op_table.hpp"

namespace cugad {

/// Work recorded once and replayed as a whole (a CUDA graph).
class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
  virtual void launch(void* stream) = 0;
};

/// Whose memory an address is in.
enum class MemoryKind {
  host,     ///< the host's, which may move: copies go through a buffer
  pinned,   ///< the host's, page-locked
  device,   ///< this device's
  managed,  ///< of the host and this device
  foreign,  ///< another device's
};

/// A device as the host side sees it: memory, copies, order, and a table of ops.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const std::string& name() const = 0;
  virtual std::string description() const = 0;
  virtual const OpTable& ops() const = 0;
  /// N of "cuda:N".
  virtual int index() const { return 0; }

  /// Memory aligned to 64 bytes, zeroed. With a stream the memory belongs to that stream's order, without one it is
  /// ready for all streams on return. Throws Error{out_of_memory}.
  virtual void* allocate(std::size_t bytes, void* stream = nullptr) = 0;
  /// Without a stream: the memory is reused after all work that was issued before, on streams of make_stream() and on
  /// those of mark_use(). The caller does not wait.
  virtual void release(void* memory, void* stream = nullptr) noexcept = 0;
  /// Host memory that copies overlap with and kernels may read (page-locked on CUDA), zeroed.
  virtual void* allocate_pinned(std::size_t bytes) { return allocate(bytes); }
  virtual void release_pinned(void* memory) noexcept { release(memory); }
  /// Bytes that allocate() can be expected to give.
  virtual std::size_t available_bytes() const = 0;
  virtual MemoryUse memory() const = 0;

  /// Copies in stream order; either side may be host or device memory. Host memory that is not pinned may be reused or
  /// read on return.
  virtual void copy(void* destination, const void* source, std::size_t bytes, void* stream) = 0;
  /// Rows of `row_bytes` at the given distances.
  virtual void copy_rows(void* destination, std::size_t destination_stride, const void* source,
                         std::size_t source_stride, std::size_t row_bytes, std::size_t rows, void* stream) = 0;
  virtual void synchronize(void* stream) = 0;

  /// Whether the host may dereference this backend's memory.
  virtual bool is_host_memory() const = 0;
  /// Whether kernels may dereference `memory`: allocated by a runtime of this device, or any memory on the CPU.
  bool is_device_pointer(const void* memory) const {
    if (is_host_memory()) return true;
    const MemoryKind kind = memory_kind(memory);
    return kind == MemoryKind::device || kind == MemoryKind::managed;
  }
  virtual MemoryKind memory_kind(const void* memory) const = 0;
  /// A device runs all models of a population in one launch; the CPU runs them on its threads.
  virtual bool runs_models_together() const { return false; }

  virtual void* make_stream() { return nullptr; }
  virtual void release_stream(void*) noexcept {}
  /// Tells of work that was issued on a stream of the caller's, which may use memory of this backend.
  virtual void mark_use(void* /*stream*/) noexcept {}
  /// A mark in the order of a stream, for another stream or the host to wait for. Null on the CPU, where nothing waits.
  virtual void* make_event() { return nullptr; }
  virtual void release_event(void*) noexcept {}
  /// Sets the mark after the work issued on the stream so far.
  virtual void mark(void* /*event*/, void* /*stream*/) {}
  /// Lets the stream's further work run after the mark. A mark that was never set delays nothing.
  virtual void wait(void* /*stream*/, void* /*event*/) {}
  /// Returns when the mark is passed.
  virtual void synchronize_event(void* /*event*/) {}
  /// Makes the device the calling thread's current one, or sets its arithmetic, and back. Throws Error{device} if an
  /// earlier failure has made the device unusable.
  virtual int enter() { return 0; }
  virtual void leave(int) noexcept {}
  /// Records the work issued on the stream until end_recording instead of running it. Only where
  /// runs_models_together().
  virtual void begin_recording(void*) {}
  virtual std::unique_ptr<RecordedWork> end_recording(void*) { return nullptr; }
  /// Whether work issued on the stream is being recorded, by begin_recording or by the stream's owner.
  virtual bool is_recording(void*) const { return false; }

  /// Lets the stream's further work run after the work issued on CUDA's legacy default stream, which callers without a
  /// stream use. Throws Error{unsupported} if a capture forbids that.
  virtual void wait_for_default_stream(void* /*stream*/) {}
  /// See Device; only where memory is not the host's.
  virtual void use_allocator(const DeviceAllocator&) {}
  virtual void limit_memory(std::size_t) {}
  /// While it is set, ops of this thread load their kernels and run nothing: not all drivers load them in a recording.
  virtual void only_load_kernels(bool) {}
  /// Names the work of this thread until end_range(), for profilers. Ranges may be nested.
  virtual void begin_range(const char*) {}
  virtual void end_range() noexcept {}
  /// Calls work(), whose ops on the context may be issued together, in fewer launches, and one before the other has
  /// ended: for whole training steps. Nothing but ops may be issued in it. The results are the same bits.
  virtual void join(Context&, const std::function<void()>& work) { work(); }
};

/// Tells the backend of the work on a stream that was issued while this object lived.
class StreamUse {
 public:
  StreamUse(Backend& backend, void* stream) : backend_(backend), stream_(stream) {}
  ~StreamUse() { backend_.mark_use(stream_); }
  StreamUse(const StreamUse&) = delete;
  StreamUse& operator=(const StreamUse&) = delete;

 private:
  Backend& backend_;
  void* stream_;
};

/// A named range, from here to the end of the object.
class NamedRange {
 public:
  NamedRange(Backend& backend, const char* name) : backend_(backend) { backend_.begin_range(name); }
  ~NamedRange() { backend_.end_range(); }
  NamedRange(const NamedRange&) = delete;
  NamedRange& operator=(const NamedRange&) = delete;

 private:
  Backend& backend_;
};

/// Ops of this thread only load their kernels while this object lives.
class KernelLoading {
 public:
  explicit KernelLoading(Backend& backend) : backend_(backend) { backend_.only_load_kernels(true); }
  ~KernelLoading() { backend_.only_load_kernels(false); }
  KernelLoading(const KernelLoading&) = delete;
  KernelLoading& operator=(const KernelLoading&) = delete;

 private:
  Backend& backend_;
};

/// The device is current while this object lives.
class CurrentDevice {
 public:
  explicit CurrentDevice(Backend& backend) : backend_(backend), before_(backend.enter()) {}
  ~CurrentDevice() { backend_.leave(before_); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  Backend& backend_;
  int before_;
};

}  // namespace cugad
