#include <atomic>

#include "emulator/intrinsics.hpp"
#include "tests/emulator/runtime/races.hpp"

/// Atomics, across the OS threads over which blocks are spread. Each returns the old value.
namespace {

template <class T, class Change>
T update(T* address, Change change) {
  if constexpr (emulator::races::active) {
    emulator::races::access(address, sizeof(T), emulator::races::Kind::atomic, __builtin_return_address(0));
  }
  const std::atomic_ref<T> at(*address);
  T old = at.load();
  while (!at.compare_exchange_weak(old, change(old))) {
  }
  return old;
}

}  // namespace

#define CUGAD_EMULATOR_ATOMIC(name, type, change)                         \
  type name(type* address, type value) {                                  \
    return update(address, [value](type old) -> type { return change; }); \
  }
#define CUGAD_EMULATOR_ATOMICS(type)                                                \
  CUGAD_EMULATOR_ATOMIC(atomicAdd, type, old + value)                               \
  CUGAD_EMULATOR_ATOMIC(atomicSub, type, old - value)                               \
  CUGAD_EMULATOR_ATOMIC(atomicMin, type, value < old ? value : old)                 \
  CUGAD_EMULATOR_ATOMIC(atomicMax, type, old < value ? value : old)                 \
  CUGAD_EMULATOR_ATOMIC(atomicAnd, type, old& value)                                \
  CUGAD_EMULATOR_ATOMIC(atomicOr, type, old | value)                                \
  CUGAD_EMULATOR_ATOMIC(atomicXor, type, old ^ value)                               \
  CUGAD_EMULATOR_ATOMIC(atomicExch, type, (static_cast<void>(old), value))          \
  type atomicCAS(type* address, type compare, type value) {                         \
    return update(address, [=](type old) { return old == compare ? value : old; }); \
  }
CUGAD_EMULATOR_ATOMICS(int)
CUGAD_EMULATOR_ATOMICS(unsigned)
CUGAD_EMULATOR_ATOMICS(unsigned long long)
CUGAD_EMULATOR_ATOMIC(atomicAdd, float, old + value)
CUGAD_EMULATOR_ATOMIC(atomicExch, float, (static_cast<void>(old), value))
CUGAD_EMULATOR_ATOMIC(atomicAdd, double, old + value)

void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
