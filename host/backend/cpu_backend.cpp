#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#if CUGAD_HAS_SVE256 || CUGAD_HAS_SVE512
#include <sys/auxv.h>
#include <sys/prctl.h>
#endif

#include "cugad/error.hpp"
#include "host/backend/open_cpu.hpp"
#include "host/backend/open_cuda.hpp"

/// The CPU backend: host memory, and the ops of one instruction set.
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
#if CUGAD_HAS_AVX512BF16
CUGAD_SET(avx512bf16)
#endif
#if CUGAD_HAS_NEON
CUGAD_SET(neon)
#endif
#if CUGAD_HAS_SVE256
CUGAD_SET(sve256)
#endif
#if CUGAD_HAS_SVE512
CUGAD_SET(sve512)
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

  void* allocate(std::size_t bytes, void*) override {
    const std::size_t size = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
    // Large blocks come zeroed from the system, which gives a page when it is first written: what is planned and not
    // used costs nothing.
    auto* const block = static_cast<std::byte*>(std::calloc(1, size + 2 * alignment));
    if (block == nullptr) {
      throw Error(ErrorCode::out_of_memory, "out of memory: " + std::to_string(size) + " bytes requested of the host");
    }
    const auto past = reinterpret_cast<std::uintptr_t>(block) % alignment;
    std::byte* const memory = block + 2 * alignment - past;
    const Header header{size, block};
    std::memcpy(memory - sizeof header, &header, sizeof header);
    const std::size_t now = bytes_.fetch_add(size) + size;
    std::size_t peak = peak_bytes_.load();
    while (now > peak && !peak_bytes_.compare_exchange_weak(peak, now)) {
    }
    return memory;
  }
  void release(void* memory, void*) noexcept override {
    if (memory == nullptr) return;
    Header header;
    std::memcpy(&header, static_cast<std::byte*>(memory) - sizeof header, sizeof header);
    bytes_.fetch_sub(header.size);
    std::free(header.block);
  }
  std::size_t available_bytes() const override {
    const long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages < 0 || page < 0 ? 0 : static_cast<std::size_t>(pages) * static_cast<std::size_t>(page);
  }
  MemoryUse memory() const override { return {bytes_.load(), peak_bytes_.load()}; }
  MemoryKind memory_kind(const void* memory) const override {
    return is_cuda_device_memory(memory) ? MemoryKind::foreign : MemoryKind::host;
  }
  void copy_rows(void* destination, std::size_t destination_stride, const void* source, std::size_t source_stride,
                 std::size_t row_bytes, std::size_t rows, void*) override {
    for (std::size_t r = 0; r < rows; ++r) {
      std::memcpy(static_cast<std::byte*>(destination) + r * destination_stride,
                  static_cast<const std::byte*>(source) + r * source_stride, row_bytes);
    }
  }
  void copy(void* destination, const void* source, std::size_t bytes, void*) override {
    if (bytes > 0) std::memcpy(destination, source, bytes);
  }
  void synchronize(void*) override {}

  /// No traps, rounding to nearest, whatever the caller has set: see FloatingPointEnvironment. Subnormal numbers count
  /// as 0 while an op runs: Intel's cores take a hundred cycles and more for each, and the gradients of a saturated
  /// discriminator consist of them. Threads that an op starts inherit the mode.
#if defined(__SSE2__)
  int enter() override {
    const unsigned before = _mm_getcsr();
    if ((before & ~exception_flags) != op_mode) _mm_setcsr(op_mode | (before & exception_flags));
    return static_cast<int>(before);
  }
  void leave(int before) noexcept override {
    if (_mm_getcsr() != static_cast<unsigned>(before)) _mm_setcsr(static_cast<unsigned>(before));
  }
#elif defined(__aarch64__)
  int enter() override {
    const unsigned before = __builtin_aarch64_get_fpcr();
    if (before != op_mode) __builtin_aarch64_set_fpcr(op_mode);
    return static_cast<int>(before);
  }
  void leave(int before) noexcept override {
    const auto wanted = static_cast<unsigned>(before);
    if (__builtin_aarch64_get_fpcr() != wanted) __builtin_aarch64_set_fpcr(wanted);
  }
#endif

 private:
  // All traps off, to the nearest, subnormal results and operands are 0.
#if defined(__SSE2__)
  static constexpr unsigned op_mode = 0x9fc0, exception_flags = 0x3f;
#elif defined(__aarch64__)
  static constexpr unsigned op_mode = 1u << 24;
#endif
  static constexpr std::size_t alignment = 64;
  /// Before each allocation.
  struct Header {
    std::size_t size = 0;
    void* block = nullptr;  ///< of the system's
  };

  std::string name_ = "cpu";
  std::string set_;
  OpTable ops_;
  std::atomic<std::size_t> bytes_ = 0, peak_bytes_ = 0;
};

}  // namespace

#if CUGAD_HAS_SVE256 || CUGAD_HAS_SVE512
namespace {

/// The length of SVE's vectors in this thread and those that it starts; 0 without SVE.
int sve_bits() {
  if ((getauxval(AT_HWCAP) & HWCAP_SVE) == 0) return 0;
  const int length = prctl(PR_SVE_GET_VL);
  return length < 0 ? 0 : 8 * (length & PR_SVE_VL_LEN_MASK);
}

}  // namespace
#endif

std::shared_ptr<Backend> open_cpu(std::string_view set) {
#if CUGAD_HAS_AVX2 || CUGAD_HAS_AVX512
  __builtin_cpu_init();
#endif
#if CUGAD_HAS_AVX512
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("fma");
#if CUGAD_HAS_AVX512BF16
  if (avx512 && __builtin_cpu_supports("avx512bf16") && (set.empty() || set == "avx512bf16")) {
    return std::make_shared<CpuBackend>("avx512bf16", cpu::avx512bf16::op_table());
  }
#endif
  if (avx512 && (set.empty() || set == "avx512")) {
    return std::make_shared<CpuBackend>("avx512", cpu::avx512::op_table());
  }
#endif
#if CUGAD_HAS_AVX2
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && (set.empty() || set == "avx2")) return std::make_shared<CpuBackend>("avx2", cpu::avx2::op_table());
#endif
#if CUGAD_HAS_SVE256
  if (sve_bits() == 256 && (set.empty() || set == "sve256")) {
    return std::make_shared<CpuBackend>("sve256", cpu::sve256::op_table());
  }
#endif
#if CUGAD_HAS_SVE512
  if (sve_bits() == 512 && (set.empty() || set == "sve512")) {
    return std::make_shared<CpuBackend>("sve512", cpu::sve512::op_table());
  }
#endif
#if CUGAD_HAS_NEON  // which every processor of 64 bits has
  if (set.empty() || set == "neon") return std::make_shared<CpuBackend>("neon", cpu::neon::op_table());
#endif
  if (set.empty() || set == "baseline") return std::make_shared<CpuBackend>("baseline", cpu::baseline::op_table());
  throw Error(ErrorCode::unsupported,
              "device 'cpu:" + std::string(set) + "': this machine or build lacks that " +
                  "instruction set (known: baseline, avx2, avx512, avx512bf16, neon, sve256, sve512)");
}

}  // namespace cugad
