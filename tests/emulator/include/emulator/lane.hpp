#pragma once

#include <cstring>
#include <type_traits>

#include "emulator/vector_types.hpp"

/// What a kernel's threads call: their place in the grid, barriers, warp operations, shared memory, tensor products.
/// A thread of the emulated device is called a lane here.

// Set at every switch between lanes. initial-exec: one instruction instead of a call per access.
#define CUGAD_EMULATOR_LANE_LOCAL extern constinit thread_local __attribute__((tls_model("initial-exec")))
CUGAD_EMULATOR_LANE_LOCAL uint3 threadIdx;
CUGAD_EMULATOR_LANE_LOCAL uint3 blockIdx;
CUGAD_EMULATOR_LANE_LOCAL dim3 blockDim;
CUGAD_EMULATOR_LANE_LOCAL dim3 gridDim;
#undef CUGAD_EMULATOR_LANE_LOCAL
constexpr int warpSize = 32;

namespace emulator {

/// The position of an operation in the kernel: named by reports, and equal for all lanes of one operation.
using Site = std::source_location;

struct Vote {
  int count;
  bool any, all;
};
Vote block_barrier(bool predicate, const char* name, Site site);
void cluster_synchronize(Site site = Site::current());
void grid_synchronize(Site site = Site::current());
/// Programmatic dependent launch: a lane of a kernel that is launched early must come here.
void wait_for_earlier_work();
unsigned cluster_rank();
void* map_shared_rank(void* shared, unsigned rank, Site site = Site::current());

enum class WarpOperation { synchronize, ballot, any, all, match_any, add, minimum, maximum, bit_and, bit_or, bit_xor };
std::uint64_t warp_operation(WarpOperation operation, unsigned mask, std::uint64_t value, bool is_signed, Site site);
/// The 64 bits that lane `source` of the warp brought.
std::uint64_t shuffle(unsigned mask, std::uint64_t bits, int source, Site site);
int lane_of_warp();

void begin_carving();
void* carve_shared(std::size_t offset, std::size_t bytes, std::size_t alignment, Site site = Site::current());
void copy_async(void* shared, const void* global, int bytes, bool valid, Site site = Site::current());
void copy_async_commit();
void copy_async_wait(int pending);

std::uint32_t round_to_bf16(float value);
std::uint32_t round_to_tf32(float value);
void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                   Site site = Site::current());
void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                   Site site = Site::current());
void load_matrices(std::uint32_t (&registers)[4], const void* shared_row, bool transposed, Site site = Site::current());

/// Ends the kernel with a report.
[[noreturn]] void trap(Site site);

template <class T>
T shuffle_value(unsigned mask, T value, int source, Site site) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = shuffle(mask, bits, source, site);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace emulator

inline void __syncthreads(emulator::Site site = emulator::Site::current()) {
  emulator::block_barrier(false, "__syncthreads", site);
}
inline int __syncthreads_count(int predicate, emulator::Site site = emulator::Site::current()) {
  return emulator::block_barrier(predicate != 0, "__syncthreads_count", site).count;
}
inline int __syncthreads_and(int predicate, emulator::Site site = emulator::Site::current()) {
  return emulator::block_barrier(predicate != 0, "__syncthreads_and", site).all;
}
inline int __syncthreads_or(int predicate, emulator::Site site = emulator::Site::current()) {
  return emulator::block_barrier(predicate != 0, "__syncthreads_or", site).any;
}

inline void __syncwarp(unsigned mask = 0xffffffffu, emulator::Site site = emulator::Site::current()) {
  emulator::warp_operation(emulator::WarpOperation::synchronize, mask, 0, false, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, emulator::Site site = emulator::Site::current()) {
  return static_cast<unsigned>(
      emulator::warp_operation(emulator::WarpOperation::ballot, mask, predicate != 0, false, site));
}
inline int __any_sync(unsigned mask, int predicate, emulator::Site site = emulator::Site::current()) {
  return static_cast<int>(emulator::warp_operation(emulator::WarpOperation::any, mask, predicate != 0, false, site));
}
inline int __all_sync(unsigned mask, int predicate, emulator::Site site = emulator::Site::current()) {
  return static_cast<int>(emulator::warp_operation(emulator::WarpOperation::all, mask, predicate != 0, false, site));
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, emulator::Site site = emulator::Site::current()) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return static_cast<unsigned>(emulator::warp_operation(emulator::WarpOperation::match_any, mask, bits, false, site));
}

// Integer reductions over a warp: `type` decides how minimum and maximum compare.
#define CUGAD_EMULATOR_REDUCE(name, operation, type)                                                                 \
  inline type __reduce_##name##_sync(unsigned mask, type value, emulator::Site site = emulator::Site::current()) {   \
    return static_cast<type>(emulator::warp_operation(                                                               \
        emulator::WarpOperation::operation, mask, static_cast<std::uint64_t>(value), std::is_signed_v<type>, site)); \
  }
CUGAD_EMULATOR_REDUCE(add, add, unsigned)
CUGAD_EMULATOR_REDUCE(add, add, int)
CUGAD_EMULATOR_REDUCE(min, minimum, unsigned)
CUGAD_EMULATOR_REDUCE(min, minimum, int)
CUGAD_EMULATOR_REDUCE(max, maximum, unsigned)
CUGAD_EMULATOR_REDUCE(max, maximum, int)
CUGAD_EMULATOR_REDUCE(and, bit_and, unsigned)
CUGAD_EMULATOR_REDUCE(or, bit_or, unsigned)
CUGAD_EMULATOR_REDUCE(xor, bit_xor, unsigned)
#undef CUGAD_EMULATOR_REDUCE

// Shuffles: a lane outside its segment of `width` lanes keeps its own value.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, emulator::Site site = emulator::Site::current()) {
  const int lane = emulator::lane_of_warp();
  return emulator::shuffle_value(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 emulator::Site site = emulator::Site::current()) {
  const int lane = emulator::lane_of_warp(), source = lane - static_cast<int>(delta);
  return emulator::shuffle_value(mask, value, source < (lane & ~(width - 1)) ? lane : source, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   emulator::Site site = emulator::Site::current()) {
  const int lane = emulator::lane_of_warp(), source = lane + static_cast<int>(delta);
  return emulator::shuffle_value(mask, value, source > (lane | (width - 1)) ? lane : source, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  emulator::Site site = emulator::Site::current()) {
  const int lane = emulator::lane_of_warp(), source = lane ^ lane_mask;
  return emulator::shuffle_value(mask, value, source > (lane | (width - 1)) ? lane : source, site);
}

inline void __trap(emulator::Site site = emulator::Site::current()) { emulator::trap(site); }
