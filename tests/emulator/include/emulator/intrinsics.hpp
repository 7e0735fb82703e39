#pragma once

#include <math.h>

#include <bit>
#include <cassert>

#include "emulator/vector_types.hpp"

/// Functions of one lane: arithmetic with a stated rounding, bits, loads with a cache hint, atomics, fences.
/// Compile with -ffp-contract=off. The fast variants (__expf and kin) give the accurate result.

inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dsqrt_rn(double a) { return sqrt(a); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float __saturatef(float x) { return !(x > 0.0f) ? 0.0f : x < 1.0f ? x : 1.0f; }

inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline int __float2int_rn(float x) { return static_cast<int>(nearbyintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline int __ffsll(long long x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1u) << (31 - bit);
  return reversed;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>(((static_cast<std::uint64_t>(high) << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<std::uint64_t>(high) << 32 | low) >> (shift & 31));
}

#define CUGAD_EMULATOR_ORDER(type)                             \
  constexpr type min(type a, type b) { return b < a ? b : a; } \
  constexpr type max(type a, type b) { return a < b ? b : a; }
CUGAD_EMULATOR_ORDER(int)
CUGAD_EMULATOR_ORDER(unsigned)
CUGAD_EMULATOR_ORDER(long)
CUGAD_EMULATOR_ORDER(unsigned long)
CUGAD_EMULATOR_ORDER(long long)
CUGAD_EMULATOR_ORDER(unsigned long long)
#undef CUGAD_EMULATOR_ORDER
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class T>
void __stcs(T* address, T value) {
  *address = value;
}
template <class T>
void __stcg(T* address, T value) {
  *address = value;
}

// Defined in the runtime, not here: a race check must see them as atomic.
#define CUGAD_EMULATOR_ATOMICS(type)          \
  type atomicAdd(type* address, type value);  \
  type atomicMin(type* address, type value);  \
  type atomicMax(type* address, type value);  \
  type atomicExch(type* address, type value); \
  type atomicCAS(type* address, type compare, type value);
#define CUGAD_EMULATOR_BIT_ATOMICS(type)     \
  type atomicSub(type* address, type value); \
  type atomicAnd(type* address, type value); \
  type atomicOr(type* address, type value);  \
  type atomicXor(type* address, type value);
CUGAD_EMULATOR_ATOMICS(int)
CUGAD_EMULATOR_ATOMICS(unsigned)
CUGAD_EMULATOR_ATOMICS(unsigned long long)
CUGAD_EMULATOR_BIT_ATOMICS(int)
CUGAD_EMULATOR_BIT_ATOMICS(unsigned)
CUGAD_EMULATOR_BIT_ATOMICS(unsigned long long)
#undef CUGAD_EMULATOR_ATOMICS
#undef CUGAD_EMULATOR_BIT_ATOMICS
float atomicAdd(float* address, float value);
float atomicExch(float* address, float value);
double atomicAdd(double* address, double value);

void __threadfence();
inline void __threadfence_block() { __threadfence(); }
inline void __threadfence_system() { __threadfence(); }
