#include "tests/emulator/runtime/races.hpp"

/// The functions that code compiled with -fsanitize=thread calls at every access. libtsan is not linked: here they feed
/// the race check of the emulator instead.
#if defined(CUGAD_EMULATED_RACES)

using emulator::races::access;
using emulator::races::Kind;

extern "C" {

#define CUGAD_HOOK(name, bytes, kind) \
  void __tsan_##name##bytes(void* address) { access(address, bytes, kind, __builtin_return_address(0)); }
#define CUGAD_HOOKS(prefix, bytes)            \
  CUGAD_HOOK(prefix##read, bytes, Kind::read) \
  CUGAD_HOOK(prefix##write, bytes, Kind::write)
CUGAD_HOOKS(, 1)
CUGAD_HOOKS(, 2)
CUGAD_HOOKS(, 4)
CUGAD_HOOKS(, 8)
CUGAD_HOOKS(, 16)
CUGAD_HOOKS(unaligned_, 2)
CUGAD_HOOKS(unaligned_, 4)
CUGAD_HOOKS(unaligned_, 8)
CUGAD_HOOKS(unaligned_, 16)
CUGAD_HOOKS(volatile_, 1)
CUGAD_HOOKS(volatile_, 2)
CUGAD_HOOKS(volatile_, 4)
CUGAD_HOOKS(volatile_, 8)
CUGAD_HOOKS(volatile_, 16)
CUGAD_HOOKS(unaligned_volatile_, 2)
CUGAD_HOOKS(unaligned_volatile_, 4)
CUGAD_HOOKS(unaligned_volatile_, 8)
CUGAD_HOOKS(unaligned_volatile_, 16)

void __tsan_read_range(void* address, unsigned long bytes) {
  access(address, bytes, Kind::read, __builtin_return_address(0));
}
void __tsan_write_range(void* address, unsigned long bytes) {
  access(address, bytes, Kind::write, __builtin_return_address(0));
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}

// Atomics of the host code round the kernels; those of kernels are functions of the emulator.
#define CUGAD_UPDATE(bits, type, name)                                     \
  type __tsan_atomic##bits##_fetch_##name(volatile type* a, type v, int) { \
    return __atomic_fetch_##name(a, v, __ATOMIC_SEQ_CST);                  \
  }
#define CUGAD_EXCHANGE(bits, type, strength, weak)                                                            \
  int __tsan_atomic##bits##_compare_exchange_##strength(volatile type* a, type* expected, type v, int, int) { \
    return __atomic_compare_exchange_n(a, expected, v, weak, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);             \
  }
#define CUGAD_ATOMICS(bits, type)                                                                               \
  type __tsan_atomic##bits##_load(const volatile type* a, int) { return __atomic_load_n(a, __ATOMIC_SEQ_CST); } \
  void __tsan_atomic##bits##_store(volatile type* a, type v, int) { __atomic_store_n(a, v, __ATOMIC_SEQ_CST); } \
  type __tsan_atomic##bits##_exchange(volatile type* a, type v, int) {                                          \
    return __atomic_exchange_n(a, v, __ATOMIC_SEQ_CST);                                                         \
  }                                                                                                             \
  type __tsan_atomic##bits##_compare_exchange_val(volatile type* a, type c, type v, int, int) {                 \
    __atomic_compare_exchange_n(a, &c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                           \
    return c;                                                                                                   \
  }                                                                                                             \
  CUGAD_EXCHANGE(bits, type, strong, false)                                                                     \
  CUGAD_EXCHANGE(bits, type, weak, true)                                                                        \
  CUGAD_UPDATE(bits, type, add)                                                                                 \
  CUGAD_UPDATE(bits, type, sub)                                                                                 \
  CUGAD_UPDATE(bits, type, and)                                                                                 \
  CUGAD_UPDATE(bits, type, or)                                                                                  \
  CUGAD_UPDATE(bits, type, xor)
CUGAD_ATOMICS(8, unsigned char)
CUGAD_ATOMICS(16, unsigned short)
CUGAD_ATOMICS(32, unsigned)
CUGAD_ATOMICS(64, unsigned long)

}  // extern "C"

#endif
