#pragma once

#include <bit>
#include <cstdint>

/// Elementary functions written once for all backends: plain float code, which a compiler vectorises and a GPU runs
/// as it stands. Every product that feeds a sum is part of a fused multiply-add, so that all builds
/// give the same bits, independent of the compiler's contractions. The functions are static, because kernel files are
/// compiled once per instruction set and a shared inline function could be linked from the wrong one.
#if defined(__CUDACC__)
#define CUGAD_INLINE static __host__ __device__ __forceinline__
#else
#define CUGAD_INLINE static inline
#endif

namespace cugad {

/// a * b + c with one rounding.
CUGAD_INLINE float multiply_add(float a, float b, float c) {
#if defined(__CUDA_ARCH__) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  // In double the product is exact. Rounding the rounded sum once more is wrong only if it lies half-way between two
  // floats (subnormal results apart) and the exact sum does not: then the sum goes one step towards the exact one.
  const double product = static_cast<double>(a) * static_cast<double>(b), addend = static_cast<double>(c);
  double sum = product + addend;
  const auto bits = std::bit_cast<std::int64_t>(sum);
  if ((bits & 0x1fffffff) == 0x10000000) [[unlikely]] {
    const double part = sum - product, error = (product - (sum - part)) + (addend - part);
    if (error != 0.0) sum = std::bit_cast<double>(bits + ((error > 0.0) == (sum > 0.0) ? 1 : -1));
  }
  return static_cast<float>(sum);
#endif
}

CUGAD_INLINE float from_bits(std::int32_t bits) {
#if defined(__CUDA_ARCH__)
  return __int_as_float(bits);
#else
  return std::bit_cast<float>(bits);
#endif
}

CUGAD_INLINE std::int32_t to_bits(float value) {
#if defined(__CUDA_ARCH__)
  return __float_as_int(value);
#else
  return std::bit_cast<std::int32_t>(value);
#endif
}

/// A correctly rounded square root.
CUGAD_INLINE float square_root_exact(float x) {
#if defined(__CUDA_ARCH__)
  return __fsqrt_rn(x);
#else
  return __builtin_sqrtf(x);
#endif
}

/// log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1]: interpolation at Chebyshev nodes, relative error 3.4e-9 before
/// rounding, below 2^-23 with it.
CUGAD_INLINE float log1p_reduced(float f) {
  float p = 0.0697161108f;
  p = multiply_add(p, f, -0.114797339f);
  p = multiply_add(p, f, 0.116854198f);
  p = multiply_add(p, f, -0.124256872f);
  p = multiply_add(p, f, 0.142490581f);
  p = multiply_add(p, f, -0.166678026f);
  p = multiply_add(p, f, 0.200007156f);
  p = multiply_add(p, f, -0.24999997f);
  p = multiply_add(p, f, 0.333333313f);
  return multiply_add(f * f, multiply_add(p, f, -0.5f), f);
}

/// log(x) for a positive normal x. Absolute error below 2^-24 (1 + |log x|), relative error below 2^-22 everywhere.
CUGAD_INLINE float log_positive(float x) {
  const std::int32_t bits = to_bits(x);
  const std::int32_t exponent = (bits - 0x3f3504f3) >> 23;  // the mantissa goes to [sqrt(1/2), sqrt(2))
  const float mantissa = from_bits(bits - exponent * (1 << 23));
  const float e = static_cast<float>(exponent);
  const float low = multiply_add(e, -1.90465432e-9f, log1p_reduced(mantissa - 1.0f));
  return multiply_add(e, 0.693147182f, low);
}

/// exp(x) for x <= 0, relative error below 2^-22.5; x below -87 counts as -87 (1.6e-38: never subnormal). NaN stays
/// NaN.
CUGAD_INLINE float exp_negative(float x) {
  x = x < -87.0f ? -87.0f : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which is in the low bits
  const float shifted = multiply_add(x, 1.44269504f, magic);
  const std::uint32_t power = static_cast<std::uint32_t>(to_bits(shifted)) - 0x4b400000u + 127u;
  const float e = shifted - magic;
  const float r = multiply_add(e, 1.90465432e-9f, multiply_add(e, -0.693147182f, x));
  float p = 0.00139261817f;
  p = multiply_add(p, r, 0.008363178f);
  p = multiply_add(p, r, 0.0416665561f);
  p = multiply_add(p, r, 0.166665763f);
  p = multiply_add(p, r, 0.5f);
  p = multiply_add(r * r, p, r) + 1.0f;
  return p * from_bits(static_cast<std::int32_t>(power << 23));
}

/// log(1 + e) for e in [0, 1], relative error below 2^-21.
CUGAD_INLINE float log1p_unit(float e) {
  const bool large = e > 0.414213562f;  // there log(1 + e) = log 2 + log(1 + (e - 1) / 2)
  const float reduced = log1p_reduced(large ? (e - 1.0f) * 0.5f : e);
  return large ? reduced + 0.693147182f : reduced;
}

}  // namespace cugad
