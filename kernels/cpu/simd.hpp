#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_SVE)
#include <arm_sve.h>
#elif defined(CUGAD_NEON)
#include <arm_neon.h>
#endif

/// One float vector type per instruction set. Everything lives in a namespace named after the set, because each kernel
/// file is compiled once per set. fused() rounds once if the set has the instruction and twice in the baseline.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

#if defined(__AVX512F__)

using Vec = __m512;
constexpr int width = 16;
constexpr int panel_vectors = 4;  ///< vectors side by side in a tile of the matrix product
constexpr int vector_registers = 32;
inline Vec set(float x) { return _mm512_set1_ps(x); }
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
/// The first n elements (n <= width), the rest 0.
inline Vec load_partial(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
inline void store_partial(float* p, Vec v, int n) { _mm512_mask_storeu_ps(p, first(n), v); }
inline Vec fused(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
// Masked by all lanes: the plain forms warn of an undefined value under GCC 12.
inline Vec maximum(Vec a, Vec b) { return _mm512_maskz_max_ps(first(16), a, b); }
inline Vec minimum(Vec a, Vec b) { return _mm512_maskz_min_ps(first(16), a, b); }
inline Vec absolute(Vec a) { return _mm512_abs_ps(a); }
inline Vec square_root(Vec a) { return _mm512_maskz_sqrt_ps(first(16), a); }
/// a where x < y, else b (b where either is NaN).
inline Vec select_less(Vec x, Vec y, Vec a, Vec b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
}
/// a where x is not NaN, else b.
inline Vec select_number(Vec x, Vec a, Vec b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_EQ_OQ), b, a);
}
/// Bit i is set where x < y in lane i.
inline std::uint32_t less_lanes(Vec x, Vec y) { return _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ); }
inline bool any_nonzero(Vec x) { return _mm512_cmp_ps_mask(x, set(0.0f), _CMP_NEQ_UQ) != 0; }
/// destination[j][i] = source[i][j] for i < 16 and j < columns <= 16; source rows from `rows` on count as 0.
inline void transpose_16x16(const float* source, std::int64_t source_stride, int rows, int columns, float* destination,
                            std::int64_t destination_stride) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = i < rows ? load_partial(source + i * source_stride, columns) : set(0.0f);
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44);
    a[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xee);
    a[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44);
    a[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xee);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {
    b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
    b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
    b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
    b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
  }
  const auto keep = [&](int j, __m512 row) {
    if (j < columns) store(destination + j * destination_stride, row);
  };
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {
    keep(i, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
    keep(i + 8, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
    keep(i + 4, _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0x88));
    keep(i + 12, _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0xdd));
  }
}

#elif defined(__AVX2__)

using Vec = __m256;
constexpr int width = 8;
constexpr int panel_vectors = 2;
constexpr int vector_registers = 16;
inline Vec set(float x) { return _mm256_set1_ps(x); }
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline __m256i first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec load_partial(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
inline void store_partial(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first(n), v); }
inline Vec fused(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec maximum(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec minimum(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec absolute(Vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
inline Vec square_root(Vec a) { return _mm256_sqrt_ps(a); }
inline Vec select_less(Vec x, Vec y, Vec a, Vec b) { return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ)); }
inline Vec select_number(Vec x, Vec a, Vec b) { return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, x, _CMP_EQ_OQ)); }
inline std::uint32_t less_lanes(Vec x, Vec y) {
  return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_LT_OQ)));
}
inline bool any_nonzero(Vec x) { return _mm256_movemask_ps(_mm256_cmp_ps(x, set(0.0f), _CMP_NEQ_UQ)) != 0; }
/// destination[j][i] = source[i][j] for i < 8 and j < columns <= 8; source rows from `rows` on count as 0.
inline void transpose_8x8(const float* source, std::int64_t source_stride, std::int64_t rows, std::int64_t columns,
                          float* destination, std::int64_t destination_stride) {
  __m256 a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    const float* row = source + i * source_stride;
    a[i] = i >= rows ? set(0.0f) : columns == 8 ? load(row) : load_partial(row, static_cast<int>(columns));
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
    a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
    a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
    a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
  }
  const auto keep = [&](int j, __m256 row) {
    if (j < columns) store(destination + j * destination_stride, row);
  };
#pragma GCC unroll 8
  for (int i = 0; i < 4; ++i) {
    keep(i, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
    keep(i + 4, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
  }
}

#else

#if defined(__ARM_FEATURE_SVE)
constexpr int vector_bytes = __ARM_FEATURE_SVE_BITS / 8;  // -msve-vector-bits
#else
constexpr int vector_bytes = 16;
#endif
typedef float Vec __attribute__((vector_size(vector_bytes)));
typedef std::int32_t VecInt __attribute__((vector_size(vector_bytes)));
constexpr int width = vector_bytes / 4;
#if defined(__ARM_FEATURE_SVE)
constexpr int panel_vectors = 4;
constexpr int vector_registers = 32;
inline Vec fused(Vec a, Vec b, Vec c) { return svmla_f32_x(svptrue_b32(), c, a, b); }
inline Vec square_root(Vec a) { return svsqrt_f32_x(svptrue_b32(), a); }
inline std::int32_t any_bits(VecInt a) { return svorv_s32(svptrue_b32(), a); }
#elif defined(CUGAD_NEON)
constexpr int panel_vectors = 4;
constexpr int vector_registers = 32;
inline Vec fused(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline Vec square_root(Vec a) { return vsqrtq_f32(a); }
inline std::int32_t any_bits(VecInt a) { return a[0] | a[1] | a[2] | a[3]; }
#else
constexpr int panel_vectors = 2;
constexpr int vector_registers = 16;
inline Vec fused(Vec a, Vec b, Vec c) { return a * b + c; }
inline Vec square_root(Vec a) { return Vec{std::sqrt(a[0]), std::sqrt(a[1]), std::sqrt(a[2]), std::sqrt(a[3])}; }
inline std::int32_t any_bits(VecInt a) { return a[0] | a[1] | a[2] | a[3]; }
#endif
inline Vec set(float x) { return x - Vec{}; }
inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
inline Vec load_partial(const float* p, int n) {
  Vec v = set(0.0f);
  std::memcpy(&v, p, sizeof(float) * static_cast<unsigned>(n));
  return v;
}
inline void store_partial(float* p, Vec v, int n) { std::memcpy(p, &v, sizeof(float) * static_cast<unsigned>(n)); }
inline Vec blend(VecInt mask, Vec a, Vec b) {
  VecInt x, y;
  std::memcpy(&x, &a, sizeof x);
  std::memcpy(&y, &b, sizeof y);
  x = (mask & x) | (~mask & y);
  std::memcpy(&a, &x, sizeof a);
  return a;
}
inline Vec select_less(Vec x, Vec y, Vec a, Vec b) { return blend(x < y, a, b); }
inline Vec select_number(Vec x, Vec a, Vec b) { return blend(x == x, a, b); }
inline Vec maximum(Vec a, Vec b) { return blend(b < a, a, b); }
inline Vec minimum(Vec a, Vec b) { return blend(a < b, a, b); }
inline Vec absolute(Vec a) {
  VecInt x;
  std::memcpy(&x, &a, sizeof x);
  x &= 0x7fffffff;
  std::memcpy(&a, &x, sizeof a);
  return a;
}
inline std::uint32_t less_lanes(Vec x, Vec y) {
  VecInt bit;
  for (int i = 0; i < width; ++i) bit[i] = 1 << i;
  return static_cast<std::uint32_t>(any_bits((x < y) & bit));
}
inline bool any_nonzero(Vec x) { return any_bits(x != set(0.0f)) != 0; }

#endif

/// Calls body(offset, count) for consecutive vectors of n elements; count < width only in the last call.
template <class Body>
inline void for_vectors(std::int64_t n, Body&& body) {
  std::int64_t i = 0;
  for (; i + width <= n; i += width) body(i, width);
  if (i < n) body(i, static_cast<int>(n - i));
}
inline Vec load_some(const float* p, int n) { return n == width ? load(p) : load_partial(p, n); }
inline void store_some(float* p, Vec v, int n) {
  if (n == width) {
    store(p, v);
  } else {
    store_partial(p, v, n);
  }
}
inline bool is_zero(const float* row, std::int64_t columns) {
  std::int64_t c = 0;
  for (; c + width <= columns; c += width) {
    if (any_nonzero(load(row + c))) return false;
  }
  return c == columns || !any_nonzero(load_partial(row + c, static_cast<int>(columns - c)));
}
/// -1, 0 or 1 (0 for NaN).
inline Vec sign(Vec x) {
  const Vec zero = set(0.0f);
  return select_less(zero, x, set(1.0f), select_less(x, zero, set(-1.0f), zero));
}

/// The scalar twin of fused(), for tails and scalar code that must give the same bits.
inline float fused(float a, float b, float c) {
#if defined(__FMA__) || defined(CUGAD_NEON) || defined(__ARM_FEATURE_SVE)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
