#include <stdexcept>

#include "tests/emulator/runtime/state.hpp"

/// Policy, reset, counters, errors.
namespace emulator {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

bool set_order(Policy& policy, const std::string& key, const std::string& value) {
  if (key == "forward" || key == "reverse") {
    policy.order = key == "forward" ? Order::forward : Order::reverse;
  } else if (key == "seed") {
    policy.order = Order::seeded;
    policy.seed = std::stoull(value);
  } else if (key == "deferred" || key == "immediate") {
    policy.deferred_copies = policy.deferred_streams = key == "deferred";
  } else if ((key == "copies" || key == "streams") && (value == "deferred" || value == "immediate")) {
    (key == "copies" ? policy.deferred_copies : policy.deferred_streams) = value == "deferred";
  } else {
    return false;
  }
  return true;
}

bool set_device(Policy& policy, const std::string& key, const std::string& value) {
  if (key == "threads") {
    policy.host_threads = std::stoi(value);
  } else if (key == "chip") {
    policy.chip = chip_named(value);
  } else if (key == "memory") {
    policy.chip.memory = std::stoull(value);
  } else if (key == "multiprocessors") {
    policy.chip.multiprocessors = std::stoi(value);
  } else if (key == "devices") {
    policy.devices = std::stoi(value);
  } else if (key == "coherent") {
    policy.shares_host_pages = true;
  } else if (key == "without" && (value == "kernel_image" || value == "memory_pools")) {
    (value == "kernel_image" ? policy.kernel_image : policy.memory_pools) = false;
  } else {
    return false;
  }
  return true;
}

}  // namespace

State& state() {
  static State* only = new State;  // never destroyed: streams may outlive main()
  return *only;
}

Chip chip_named(const std::string& name) {
  Chip chip;
  chip.name = "Emulated " + name;
  if (name == "sm_90") return chip;
  if (name != "sm_80" && name != "sm_86") throw std::invalid_argument("emulator: no chip " + name);
  chip.major = 8;
  chip.minor = name == "sm_80" ? 0 : 6;
  chip.shared_memory_per_block = (name == "sm_80" ? 163 : 99) * std::size_t{1024};
  chip.shared_memory_per_multiprocessor = chip.shared_memory_per_block + 1024;
  return chip;
}

const Policy& policy() { return state().policy; }

void set_policy(const Policy& policy) {
  const std::lock_guard hold(state().lock);
  drain_all();
  state().policy = policy;
  state().launches = 0;
  for (auto& [number, device] : state().devices) {
    device.has_context = false;
    device.loaded.clear();
    device.shared_limits.clear();
  }
}

Policy parse_policy(const std::string& text) {
  Policy policy;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, comma - at);
    at = comma + 1;
    if (word.empty()) continue;
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string key = word.substr(0, equals), value = equals < word.size() ? word.substr(equals + 1) : "";
    if (!set_order(policy, key, value) && !set_device(policy, key, value)) {
      throw std::invalid_argument("emulator: unknown policy '" + word + "'");
    }
  }
  return policy;
}

void reset() {
  const std::lock_guard hold(state().lock);
  forget_queues();
  state().captures.clear();
  for (auto& [number, device] : state().devices) device.sticky = cudaSuccess;
  state().report.clear();
  state().failing_allocation = 0;
  last_error = cudaSuccess;
}

std::string report() {
  const std::lock_guard hold(state().lock);
  return state().report;
}

std::map<std::string, std::uint64_t> calls() {
  const std::lock_guard hold(state().lock);
  return state().calls;
}
void clear_calls() {
  const std::lock_guard hold(state().lock);
  state().calls.clear();
}
void fail_allocation(int nth) { state().failing_allocation = nth; }
std::size_t live_allocations() {
  const std::lock_guard hold(state().lock);
  std::size_t count = 0;
  for (const auto& [address, allocation] : state().allocations) count += allocation.on_device ? 1 : 0;
  return count;
}

bool has_address_sanitizer() {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#else
  return false;
#endif
}

cudaError_t Call::pending() const { return device_state().sticky; }
cudaError_t Call::done(cudaError_t error) const {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

}  // namespace emulator

using emulator::Call;
using emulator::state;

extern "C" {

int cugad_emulator_set_policy(const char* text) {
  try {
    emulator::set_policy(emulator::parse_policy(text));
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

cudaError_t cudaGetLastError() {
  const Call call("cudaGetLastError", false);
  const cudaError_t error = call.pending() != cudaSuccess ? call.pending() : emulator::last_error;
  emulator::last_error = cudaSuccess;
  return error;
}
cudaError_t cudaPeekAtLastError() {
  const Call call("cudaPeekAtLastError", false);
  return call.pending() != cudaSuccess ? call.pending() : emulator::last_error;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define CUGAD_EMULATOR_NAME(name, code, text) \
  case name:                                  \
    return #name;
    CUGAD_EMULATOR_ERRORS(CUGAD_EMULATOR_NAME)
#undef CUGAD_EMULATOR_NAME
  }
  return "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define CUGAD_EMULATOR_TEXT(name, code, text) \
  case name:                                  \
    return text;
    CUGAD_EMULATOR_ERRORS(CUGAD_EMULATOR_TEXT)
#undef CUGAD_EMULATOR_TEXT
  }
  return "unrecognized error code";
}

}  // extern "C"
