#pragma once

#include "kernels/device/fragment.cuh"
#include "kernels/device/runtime.cuh"

/// Tensor-core products of one warp (mma.sync, ldmatrix), with their twins for the emulator. Sums are float32. The
/// emulator adds in the order k = 0, 1, ... with one rounding per term; a tensor core adds in an unspecified order, the
/// same for every row: tests bound the difference, results never depend on other rows.
namespace cugad::device {

/// Two floats as bfloat16, rounded to nearest even, `low` in the low half.
__device__ inline std::uint32_t pack_bf16(float low, float high) {
#if defined(__CUDACC__)
  std::uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#else
  return ::emulator::round_to_bf16(low) | ::emulator::round_to_bf16(high) << 16;
#endif
}
/// The halves of a packed pair as floats.
__device__ inline float low_bf16(std::uint32_t packed) { return __uint_as_float(packed << 16); }
__device__ inline float high_bf16(std::uint32_t packed) { return __uint_as_float(packed & 0xffff0000u); }

/// A float rounded to tf32 (nearest, ties away from zero), as the bits of a float.
__device__ inline std::uint32_t round_tf32(float value) {
#if defined(__CUDACC__)
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;\n" : "=r"(bits) : "f"(value));
  return bits;
#else
  return ::emulator::round_to_tf32(value);
#endif
}

/// d += a b: a [16, 16] bf16, b [16, 8] bf16, d [16, 8] float (fragment_a16, fragment_b16, fragment_c).
__device__ inline void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  ::emulator::multiply_bf16(d, a, b);
#endif
}

/// d += a b: a [16, 8] tf32, b [8, 8] tf32, d [16, 8] float (fragment_a8, fragment_b8, fragment_c).
__device__ inline void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  ::emulator::multiply_tf32(d, a, b);
#endif
}

/// Four 8 x 8 matrices of 16-bit elements from shared memory: lane l gives the address of row l % 8 of matrix l / 8 (16
/// bytes, aligned) and receives in register i the elements {l / 4, 2 (l % 4) + 0 and 1} of matrix i.
__device__ inline void load_matrices(std::uint32_t (&registers)[4], const void* shared_row) {
#if defined(__CUDACC__)
  const auto at = static_cast<unsigned>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(at)
               : "memory");
#else
  ::emulator::load_matrices(registers, shared_row, false);
#endif
}

/// The same, each matrix transposed: lane l receives the elements {2 (l % 4) + 0 and 1, l / 4}.
__device__ inline void load_matrices_transposed(std::uint32_t (&registers)[4], const void* shared_row) {
#if defined(__CUDACC__)
  const auto at = static_cast<unsigned>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(at)
               : "memory");
#else
  ::emulator::load_matrices(registers, shared_row, true);
#endif
}

}  // namespace cugad::device
