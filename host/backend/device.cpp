#include "cugad/device.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "host/backend/op_table.hpp"

#define CUGAD_SET(name)        \
  namespace cugad::cpu::name { \
  OpTable op_table();          \
  }
CUGAD_SET(baseline)
#if CUGAD_HAS_AVX2
CUGAD_SET(avx2)
#endif
#if CUGAD_HAS_AVX512
CUGAD_SET(avx512)
#endif
#undef CUGAD_SET

namespace cugad {
namespace {

class CpuBackend final : public Backend {
 public:
  CpuBackend(std::string set, const OpTable& ops) : set_(std::move(set)), ops_(ops) {}
  const std::string& name() const override { return name_; }
  std::string description() const override { return "CPU, instruction set " + set_; }
  const OpTable& ops() const override { return ops_; }
  bool is_host_memory() const override { return true; }

  void* allocate(std::size_t bytes) override {
    const std::size_t size = (std::max<std::size_t>(bytes, 1) + 63) / 64 * 64;
    void* memory = std::aligned_alloc(64, size);
    if (memory == nullptr) {
      throw Error(ErrorCode::out_of_memory, "out of memory: " + std::to_string(size) + " bytes asked of the host");
    }
    std::memset(memory, 0, size);
    return memory;
  }
  void release(void* memory) noexcept override { std::free(memory); }
  void copy(void* destination, const void* source, std::size_t bytes, void*) override {
    if (bytes > 0) std::memcpy(destination, source, bytes);
  }
  void synchronize(void*) override {}

 private:
  std::string name_ = "cpu";
  std::string set_;
  OpTable ops_;
};

/// The widest instruction set of this machine, or the named one ("cpu:avx2", for tests and comparisons).
std::shared_ptr<Backend> open_cpu(std::string_view set) {
#if CUGAD_HAS_AVX2 || CUGAD_HAS_AVX512
  __builtin_cpu_init();
#endif
#if CUGAD_HAS_AVX512
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("fma");
  if (avx512 && (set.empty() || set == "avx512")) {
    return std::make_shared<CpuBackend>("avx512", cpu::avx512::op_table());
  }
#endif
#if CUGAD_HAS_AVX2
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && (set.empty() || set == "avx2")) return std::make_shared<CpuBackend>("avx2", cpu::avx2::op_table());
#endif
  if (set.empty() || set == "baseline") return std::make_shared<CpuBackend>("baseline", cpu::baseline::op_table());
  throw Error(ErrorCode::unsupported, "device 'cpu:" + std::string(set) + "': this machine or build lacks that " +
                                          "instruction set (known: baseline, avx2, avx512)");
}

/// Processors that this process may use.
int available_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

Device::Device(std::shared_ptr<Backend> backend, int threads) : backend_(std::move(backend)), threads_(threads) {}

Device Device::open(std::string_view name, int threads) {
  if (threads < 0) {
    throw Error(ErrorCode::invalid_argument, "threads is " + std::to_string(threads) + ", expected 0 (all) or more");
  }
  const int count = threads == 0 ? available_processors() : threads;
  if (name == "auto" || name == "cpu") return {open_cpu(""), count};
  if (name.substr(0, 4) == "cpu:") return {open_cpu(name.substr(4)), count};
  if (name == "cuda" || name.substr(0, 5) == "cuda:") {
    throw Error(ErrorCode::unsupported,
                "device '" + std::string(name) + "' is not available: this build has no CUDA backend");
  }
  throw Error(ErrorCode::invalid_argument,
              "unknown device '" + std::string(name) + "': expected auto, cpu, cuda or cuda:N");
}

const std::string& Device::name() const { return backend_->name(); }
std::string Device::description() const { return backend_->description(); }
Context Device::make_context(int threads) const { return {backend_, threads > 0 ? threads : threads_}; }

Context::Context(std::shared_ptr<Backend> backend, int threads) : backend_(std::move(backend)), threads_(threads) {}

Context::~Context() {
  if (backend_ && scratch_ != nullptr) backend_->release(scratch_);
}

Context::Context(Context&& other) noexcept
    : backend_(std::move(other.backend_)),
      threads_(other.threads_),
      stream_(other.stream_),
      scratch_(std::exchange(other.scratch_, nullptr)),
      scratch_bytes_(std::exchange(other.scratch_bytes_, 0)),
      scratch_allocations_(other.scratch_allocations_) {}

Context& Context::operator=(Context&& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(threads_, other.threads_);
  std::swap(stream_, other.stream_);
  std::swap(scratch_, other.scratch_);
  std::swap(scratch_bytes_, other.scratch_bytes_);
  std::swap(scratch_allocations_, other.scratch_allocations_);
  return *this;
}

void* Context::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_) {
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
  void run(Context& context, const Args& args) {                                                             \
    const auto entry = context.backend().ops().op;                                                           \
    if (entry.run == nullptr) {                                                                              \
      throw Error(ErrorCode::unsupported, #op " is not offered by the backend " + context.backend().name()); \
    }                                                                                                        \
    const std::string reason = check_contract(args);                                                         \
    if (!reason.empty()) throw Error(ErrorCode::invalid_argument, reason);                                   \
    entry.run(context, args);                                                                                \
  }
CUGAD_OPS(CUGAD_DEFINE)
#undef CUGAD_DEFINE

std::string op_table(const Device& device) {
  std::string text;
  const OpTable& table = device.backend().ops();
#define CUGAD_LINE(op, Args)                                        \
  {                                                                 \
    std::string line = #op;                                         \
    line.resize(24, ' ');                                           \
    text += line + (table.op.run != nullptr ? "yes" : "no") + "\n"; \
  }
  CUGAD_OPS(CUGAD_LINE)
#undef CUGAD_LINE
  std::string heading = "op";
  heading.resize(24, ' ');
  return heading + device.name() + "\n" + text;
}

}  // namespace cugad
