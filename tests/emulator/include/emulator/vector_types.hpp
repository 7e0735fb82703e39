#pragma once

// <memory> first: libstdc++ uses the word __noinline__ inside attributes, and below it becomes a macro.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <string>

/// Qualifiers and vector types of the CUDA language.
#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

#define CUGAD_EMULATOR_VECTORS(type, name, align2, align4)                       \
  struct name##1 {                                                               \
    type x;                                                                      \
  };                                                                             \
  struct alignas(align2) name##2 {                                               \
    type x, y;                                                                   \
  };                                                                             \
  struct name##3 {                                                               \
    type x, y, z;                                                                \
  };                                                                             \
  struct alignas(align4) name##4 {                                               \
    type x, y, z, w;                                                             \
  };                                                                             \
  constexpr name##1 make_##name##1(type x) { return {x}; }                       \
  constexpr name##2 make_##name##2(type x, type y) { return {x, y}; }            \
  constexpr name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; } \
  constexpr name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
CUGAD_EMULATOR_VECTORS(signed char, char, 2, 4)
CUGAD_EMULATOR_VECTORS(unsigned char, uchar, 2, 4)
CUGAD_EMULATOR_VECTORS(short, short, 4, 8)
CUGAD_EMULATOR_VECTORS(unsigned short, ushort, 4, 8)
CUGAD_EMULATOR_VECTORS(int, int, 8, 16)
CUGAD_EMULATOR_VECTORS(unsigned, uint, 8, 16)
CUGAD_EMULATOR_VECTORS(float, float, 8, 16)
CUGAD_EMULATOR_VECTORS(long long, longlong, 16, 16)
CUGAD_EMULATOR_VECTORS(unsigned long long, ulonglong, 16, 16)
CUGAD_EMULATOR_VECTORS(double, double, 16, 16)
#undef CUGAD_EMULATOR_VECTORS

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
