#include "cugad/device.hpp"

#include <sched.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "host/backend/op_table.hpp"
#include "host/backend/open_cpu.hpp"
#include "host/backend/open_cuda.hpp"

namespace cugad {
namespace {

/// Processors that this process may use.
int available_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// The names of a list, or of all devices of a family.
std::vector<std::string> names_in(std::string_view list) {
  std::vector<std::string> names;
  if (list.ends_with(":all") && !list.starts_with("cpu")) {
    const std::string family(list.substr(0, list.size() - 4));
    for (int i = 0, count = count_cuda(list); i < count; ++i) names.push_back(family + ":" + std::to_string(i));
    return names;
  }
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    names.emplace_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

}  // namespace

Device::Device(std::shared_ptr<Backend> backend, int threads) : backend_(std::move(backend)), threads_(threads) {}

Device Device::open(std::string_view name, int threads) {
  if (name.ends_with(":all") || name.find(',') != std::string_view::npos) return open_several(name, threads);
  if (threads < 0) {
    throw Error(ErrorCode::invalid_argument, "threads is " + std::to_string(threads) + ", expected 0 (all) or more");
  }
  const int count = threads == 0 ? available_processors() : threads;
  if (name == "auto") {
    try {
      return {open_cuda("cuda"), count};
    } catch (const Error&) {
      return {open_cpu(""), count};  // no device that answers
    }
  }
  if (name == "cpu") return {open_cpu(""), count};
  if (name.starts_with("cpu:") && name.size() > 4) return {open_cpu(name.substr(4)), count};
  for (const std::string_view family : {"cuda", "emulated"}) {
    if (name == family || (name.substr(0, family.size()) == family && name.substr(family.size(), 1) == ":")) {
      return {open_cuda(name), count};
    }
  }
  throw Error(ErrorCode::invalid_argument,
              "unknown device '" + std::string(name) +
                  "': expected auto, cpu, cpu:avx2 or another instruction set, cuda, cuda:N or several of these");
}

const std::string& Device::name() const { return backend_->name(); }
std::string Device::description() const { return backend_->description(); }
Device Device::open_several(std::string_view list, int threads) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, "the devices are '" + std::string(list) + "': " + what);
  };
  std::vector<Device> devices;
  for (const std::string& name : names_in(list)) {
    if (name.find(':') == std::string::npos || name.starts_with("cpu")) {
      refuse("expected CUDA devices by their numbers, as cuda:0,cuda:1, or cuda:all");
    }
    const Device device = open(name, threads);
    for (const Device& other : devices) {
      if (other.name() == device.name()) refuse(device.name() + " is there twice");
    }
    devices.push_back(device);
  }
  Device first = devices.front();
  first.others_.assign(devices.begin() + 1, devices.end());
  return first;
}

Device Device::alone() const {
  Device device = *this;
  device.others_.clear();
  return device;
}

Context Device::make_context(int threads) const {
  Context context(backend_, threads > 0 ? threads : threads_);
  context.use_precision(precision_);
  return context;
}

Device Device::with_precision(Precision precision) const {
  if (precision == Precision::tf32 && backend_->is_host_memory()) {
    throw Error(ErrorCode::unsupported, "the " + name() + " backend computes in fp32 or bf16, not in tf32");
  }
  Device device = *this;
  device.precision_ = precision;
  for (Device& other : device.others_) other = other.with_precision(precision);
  return device;
}

Device Device::with_threads(int threads) const {
  if (threads < 1) {
    throw Error(ErrorCode::invalid_argument, "threads is " + std::to_string(threads) + ", expected 1 or more");
  }
  Device device = *this;
  device.threads_ = threads;
  for (Device& other : device.others_) other.threads_ = threads;
  return device;
}

const char* name_of(Precision precision) {
  return precision == Precision::fp32 ? "fp32" : precision == Precision::tf32 ? "tf32" : "bf16";
}

Precision precision_from(std::string_view name) {
  for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
    if (name == name_of(precision)) return precision;
  }
  throw Error(ErrorCode::invalid_argument, "precision is '" + std::string(name) + "', expected fp32, tf32 or bf16");
}

MemoryUse Device::memory() const { return backend_->memory(); }

void Device::use_allocator(const DeviceAllocator& allocator) const {
  if (backend_->is_host_memory()) {
    throw Error(ErrorCode::unsupported, "the " + name() + " backend takes no allocator: its memory is the host's");
  }
  if ((allocator.allocate == nullptr) != (allocator.free == nullptr)) {
    throw Error(ErrorCode::invalid_argument, std::string("the allocator has no function to ") +
                                                 (allocator.free == nullptr ? "free" : "allocate") +
                                                 ", expected both or none");
  }
  backend_->use_allocator(allocator);
}

void Device::limit_memory(std::size_t max_device_bytes) const {
  if (backend_->is_host_memory()) {
    throw Error(ErrorCode::unsupported, "the " + name() + " backend has no device memory to limit");
  }
  backend_->limit_memory(max_device_bytes);
}

/// Made once for all contexts on the same weights.
struct Context::KeptMemory {
  explicit KeptMemory(std::shared_ptr<Backend> backend_) : backend(std::move(backend_)) {}
  ~KeptMemory() {
    for (const auto& [key, memory] : all) backend->release(memory);
  }
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;

  const void* get(const KeptKey& key, std::size_t bytes, const std::function<void(void*)>& fill) {
    const std::lock_guard lock(mutex);
    const auto [found, is_new] = all.try_emplace(key, nullptr);
    if (!is_new) return found->second;
    try {
      found->second = backend->allocate(bytes);
    } catch (...) {
      all.erase(found);
      throw;
    }
    fill(found->second);
    return found->second;
  }

  std::shared_ptr<Backend> backend;
  std::mutex mutex;
  std::map<KeptKey, void*> all;
};

Context::Context(std::shared_ptr<Backend> backend, int threads)
    : backend_(std::move(backend)),
      threads_(threads),
      stream_(backend_->make_stream()),
      own_stream_(stream_),
      kept_(std::make_shared<KeptMemory>(backend_)) {}

Context::~Context() {
  if (!backend_) return;
  if (scratch_ != nullptr) backend_->release(scratch_);
  backend_->release_stream(own_stream_);
}

Context::Context(Context&& other) noexcept
    : backend_(std::move(other.backend_)),
      threads_(other.threads_),
      stream_(other.stream_),
      own_stream_(std::exchange(other.own_stream_, nullptr)),
      precision_(other.precision_),
      scratch_(std::exchange(other.scratch_, nullptr)),
      scratch_bytes_(std::exchange(other.scratch_bytes_, 0)),
      scratch_allocations_(other.scratch_allocations_),
      frozen_(other.frozen_),
      kept_(std::move(other.kept_)),
      known_(std::move(other.known_)) {}

Context& Context::operator=(Context&& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(threads_, other.threads_);
  std::swap(stream_, other.stream_);
  std::swap(own_stream_, other.own_stream_);
  std::swap(precision_, other.precision_);
  std::swap(scratch_, other.scratch_);
  std::swap(scratch_bytes_, other.scratch_bytes_);
  std::swap(scratch_allocations_, other.scratch_allocations_);
  std::swap(frozen_, other.frozen_);
  std::swap(kept_, other.kept_);
  std::swap(known_, other.known_);
  return *this;
}

void* Context::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_) {
    if (backend_->is_recording(stream_)) {
      throw Error(ErrorCode::unsupported, "scratch memory must grow from " + std::to_string(scratch_bytes_) + " to " +
                                              std::to_string(bytes) +
                                              " bytes while the stream is captured: make the same call once before");
    }
    backend_->synchronize(stream_);
    if (scratch_ != nullptr) backend_->release(scratch_);
    scratch_ = nullptr;
    scratch_bytes_ = 0;
    scratch_ = backend_->allocate(bytes);
    scratch_bytes_ = bytes;
    ++scratch_allocations_;
  }
  return scratch_;
}

const void* Context::keep(const KeptKey& key, std::size_t bytes, const std::function<void(void*)>& fill) {
  const auto found = known_.find(key);
  if (found != known_.end()) return found->second;
  return known_[key] = kept_->get(key, bytes, fill);
}

void Context::share_kept(const Context& other) {
  kept_ = other.kept_;
  known_.clear();
}

void Context::synchronize() { backend_->synchronize(stream_); }

#define CUGAD_DEFINE(op, Args)                                                                               \
  Verdict can_run(const Context& context, const Args& args) {                                                \
    if (context.backend().ops().op.run == nullptr) {                                                         \
      return {#op " is not offered by the backend " + context.backend().name()};                             \
    }                                                                                                        \
    return {check_contract(args)};                                                                           \
  }                                                                                                          \
  std::size_t workspace(const Context& context, const Args& args) {                                          \
    const auto entry = context.backend().ops().op;                                                           \
    return entry.workspace == nullptr ? 0 : entry.workspace(context, args);                                  \
  }                                                                                                          \
  std::string path(const Context& context, const Args& args) {                                               \
    const auto entry = context.backend().ops().op;                                                           \
    return entry.path == nullptr ? std::string() : entry.path(context, args);                                \
  }                                                                                                          \
  void run(Context& context, const Args& args) {                                                             \
    const auto entry = context.backend().ops().op;                                                           \
    if (entry.run == nullptr) {                                                                              \
      throw Error(ErrorCode::unsupported, #op " is not offered by the backend " + context.backend().name()); \
    }                                                                                                        \
    const std::string reason = check_contract(args);                                                         \
    if (!reason.empty()) throw Error(ErrorCode::invalid_argument, reason);                                   \
    const CurrentDevice current(context.backend());                                                          \
    const NamedRange range(context.backend(), "cugad " #op);                                                 \
    if (context.planning()) {                                                                                \
      context.plan_scratch(workspace(context, args));                                                        \
    } else {                                                                                                 \
      entry.run(context, args);                                                                              \
    }                                                                                                        \
  }
CUGAD_OPS(CUGAD_DEFINE)
#undef CUGAD_DEFINE

std::string op_table(const Device& device) {
  std::string text;
  const OpTable& table = device.backend().ops();
#define CUGAD_LINE(op, Args)                                        \
  {                                                                 \
    std::string line = #op;                                         \
    line.resize(36, ' ');                                           \
    text += line + (table.op.run != nullptr ? "yes" : "no") + "\n"; \
  }
  CUGAD_OPS(CUGAD_LINE)
#undef CUGAD_LINE
  std::string heading = "op";
  heading.resize(36, ' ');
  return heading + device.name() + "\n" + text;
}

}  // namespace cugad
