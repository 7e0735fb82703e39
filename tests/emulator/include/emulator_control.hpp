#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

/// How tests steer the emulator. Change the policy only while no work is under way.
namespace emulator {

/// The order in which lanes start and continue after a barrier.
enum class Order { forward, reverse, seeded };

/// What the emulated device looks like to its user.
struct Chip {
  std::string name = "Emulated sm_90";
  int major = 9, minor = 0;
  int multiprocessors = 8;
  std::size_t shared_memory_per_block = 227 * 1024;
  std::size_t shared_memory_per_multiprocessor = 228 * 1024;
  std::size_t memory = std::size_t{8} << 30;
  std::size_t cache = std::size_t{50} << 20;
};
/// "sm_80" (163 KiB of shared memory per block), "sm_86" (99 KiB) or "sm_90" (227 KiB). Throws std::invalid_argument.
Chip chip_named(const std::string& name);

struct Policy {
  Order order = Order::forward;
  std::uint64_t seed = 0;
  /// Copies to shared memory land at the wait, stream work at the last legal moment; otherwise both at once.
  bool deferred_copies = true;
  bool deferred_streams = false;
  /// OS threads over which blocks are spread; 0: one per processor.
  int host_threads = 0;
  int devices = 1;
  bool kernel_image = true;        ///< false: the build has no machine code for the chip
  bool memory_pools = true;        ///< false: the device has none
  bool shares_host_pages = false;  ///< true: copies of the host's pageable memory run as late as all others
  Chip chip;
};

const Policy& policy();
/// Contexts and loaded kernels are forgotten, as in a new process.
void set_policy(const Policy& policy);
/// "forward", "reverse", "seed=7"; "deferred" or "immediate" (both kinds), "copies=deferred", "streams=immediate";
/// "threads=2"; "chip=sm_86"; "memory=BYTES"; "devices=2"; "without=kernel_image", "without=memory_pools"; "coherent"
/// (shares_host_pages); joined by commas; settings that are not named have their defaults. Throws
/// std::invalid_argument.
Policy parse_policy(const std::string& text);

/// Forgets the sticky error, the last error, the report, an injected failure, a capture and the queued work. Memory
/// stays.
void reset();
/// What went wrong first, in a kernel (which causes a sticky error) or with a capture; empty if nothing did.
std::string report();

/// Runtime calls by name since the last clear_calls(); kernels count under "kernel", also those that a graph launches.
std::map<std::string, std::uint64_t> calls();
void clear_calls();

/// Lets the nth allocation from now (1: the next) fail with cudaErrorMemoryAllocation; 0: none.
void fail_allocation(int nth);
/// Devices on which a context was made.
std::set<int> contexts();
/// Allocations of device memory that live now.
std::size_t live_allocations();

/// Whether this build carries the race check (kernels compiled with -fsanitize=thread), and AddressSanitizer.
bool has_race_check();
bool has_address_sanitizer();

}  // namespace emulator

/// parse_policy and set_policy for callers that load the library by name. Returns 0, or 1 if the text is not
/// understood.
extern "C" int cugad_emulator_set_policy(const char* text);
