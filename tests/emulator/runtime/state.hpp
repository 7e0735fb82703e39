#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "emulator/runtime_api.hpp"
#include "emulator_control.hpp"

/// The state of the emulated runtime. One lock guards it all; kernels run under that lock.
namespace emulator {

using Operation = std::function<void()>;

/// The operations of a graph under capture so far, in the order of the calls, which respects every dependency.
struct Capture {
  std::vector<Operation> operations;
  bool invalidated = false;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  int device = 0;
  std::thread::id thread = std::this_thread::get_id();  ///< that began it
  bool blocking = false;                                ///< of a stream that the legacy stream waits for
  cudaStream_t origin = nullptr;
  std::vector<cudaStream_t> forked;  ///< streams that joined the capture through an event
};

struct Allocation {
  std::size_t bytes = 0;
  int device = 0;
  bool on_device = true;
  unsigned char* base = nullptr;  ///< of the memory with its red zones
  cudaMemPool_t pool = nullptr;   ///< null: of no pool
};

struct DeviceState {
  cudaError_t sticky = cudaSuccess;
  std::size_t used = 0, most_used = 0;  ///< including memory cached by pools
  bool has_context = false;
  cudaStream_t legacy = nullptr;             ///< made when it is first used
  cudaMemPool_t pool = nullptr;              ///< the device's own, likewise
  std::set<const void*> loaded;              ///< kernels
  std::map<const void*, int> shared_limits;  ///< raised per kernel
};

struct State {
  std::recursive_mutex lock;
  Policy policy;
  std::map<int, DeviceState> devices;
  std::string report;
  std::map<std::string, std::uint64_t> calls;
  std::map<std::uintptr_t, Allocation> allocations;
  std::set<cudaStream_t> streams;
  std::set<cudaMemPool_t> pools;
  std::vector<std::shared_ptr<Capture>> captures;  ///< under way
  int failing_allocation = 0;
  std::uint64_t launches = 0;
};
State& state();
/// Of the calling thread, or of the work that it runs.
int current_device();
/// While it lives, `device` is current: the one whose work is run.
class RunningOn {
 public:
  explicit RunningOn(int device);
  ~RunningOn();

 private:
  int before_;
};
DeviceState& device_state();

/// Stands at the head of every runtime function: takes the lock, counts the call, remembers the outcome.
class Call {
 public:
  /// `needs_context`: makes one on the current device, as nearly all calls do.
  explicit Call(const char* name, bool needs_context = true);
  /// The sticky error of the current device, if any.
  cudaError_t pending() const;
  /// Remembers an error for cudaGetLastError and passes it on.
  cudaError_t done(cudaError_t error) const;
  /// For calls that are forbidden while a stream is capturing: invalidates the captures that forbid them to this
  /// thread.
  /// False if there is none.
  bool breaks_capture() const;
  /// For calls on the whole device: invalidates and reports its captures of all threads.
  bool breaks_any_capture() const;

 private:
  std::lock_guard<std::recursive_mutex> hold_;
};

/// The stream of CUDA's special handles: the device's legacy stream, or the calling thread's own.
cudaStream_t resolve(cudaStream_t stream);
/// Runs, queues or captures an operation, as the stream and the policy have it.
cudaError_t submit(cudaStream_t stream, Operation operation);
/// Runs the queued work of one stream, of all streams of the current device.
void drain(cudaStream_t stream);
void drain_all();
bool has_work(cudaStream_t stream);
void forget_queues();
/// Marks the current device as failed.
void fail_device(const std::string& report);
/// Reports an error without making the device fail.
void note(const std::string& report);
/// Loads a kernel if it is not loaded; false, with an error stored, if a capture forbids that.
bool load_kernel(const Call& call, const void* kernel, cudaStream_t stream);

/// The allocation that holds these bytes, or null.
const Allocation* find_allocation(const void* pointer, std::size_t bytes);
/// Checks the red zones of all allocations on the device; reports writes over them.
void check_allocations();

}  // namespace emulator
