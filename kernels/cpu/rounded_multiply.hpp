#pragma once

#include <cstring>

#include "cugad/device.hpp"
#include "kernels/cpu/matrix_multiply.hpp"

/// Products in bf16: operands rounded to bfloat16 (to nearest, ties to even; subnormal numbers count as 0), sums in
/// float32. A product of two bfloat16 numbers is exact in float32, and VDPBF16PS adds its two products one after the
/// other, the odd element first, each by a fused multiply-add. Words hold k there and k + 1 in the even element, so the
/// chain over k = 0, 1, ... is that of matrix_multiply.hpp: sets without the instruction compute the same bits from
/// rounded floats.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// Layers of at most four outputs stay in float32.
inline bool rounds_operands(const Context& context, std::int64_t outputs) {
  return context.precision() == Precision::bf16 && outputs > 4;
}

/// How many k a word of 32 bits holds. One beyond the last k is -0 on the left and +0 on the right: adding their
/// product, -0, changes no sum.
#if defined(__AVX512BF16__)
constexpr int word_terms = 2;
struct RoundedTerm {
  static Vec add(Vec a, Vec b, Vec sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};

/// first in the odd elements, second in the even ones.
inline Vec words_of(Vec first, Vec second) {
  const auto odd = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(first)));
  const auto even = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(second)));
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_slli_epi32(odd, 16), even));
}
#else
constexpr int word_terms = 1;
using RoundedTerm = ExactTerm;

inline Vec words_of(Vec x, Vec) {
  typedef std::uint32_t Words __attribute__((vector_size(sizeof(Vec))));
  Words bits;
  std::memcpy(&bits, &x, sizeof bits);
  const Words is_small = Words((bits & 0x7f800000u) == 0), is_nan = Words((bits & 0x7fffffffu) > 0x7f800000u);
  const Words nearest = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
  bits = (is_small & (bits & 0x80000000u)) | (is_nan & ((bits | 0x400000u) & 0xffff0000u)) |
         (~(is_small | is_nan) & nearest);
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
#endif

inline std::int64_t word_count(std::int64_t k) { return (k + word_terms - 1) / word_terms; }

/// destination[r][words of k] from source[r][k].
inline void round_rows(const float* source, std::int64_t source_stride, std::int64_t rows, std::int64_t k_count,
                       float beyond, float* destination, std::int64_t stride) {
  for (std::int64_t r = 0; r < rows; ++r, source += source_stride, destination += stride) {
#if defined(__AVX512BF16__)
    const auto some = [&](std::int64_t k) {
      const std::int64_t n = k_count - k;
      return n >= width ? load(source + k)
                        : _mm512_mask_loadu_ps(set(beyond), first(static_cast<int>(n > 0 ? n : 0)), source + k);
    };
    for (std::int64_t k = 0; k < k_count; k += 2 * width) {
      const auto pairs = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(some(k + width), some(k)));
      const std::int64_t n = word_count(k_count - k);
      store_some(destination + k / 2, _mm512_castsi512_ps(_mm512_rol_epi32(pairs, 16)),
                 static_cast<int>(n < width ? n : width));
    }
#else
    for_vectors(k_count, [&](std::int64_t k, int n) {
      store_some(destination + k, words_of(load_some(source + k, n), set(beyond)), n);
    });
#endif
  }
}

/// destination[words of k][n] from source[k][n], of row index[k] if there is an index, in whole vectors: columns beyond
/// n become 0.
inline void round_columns(const float* source, std::int64_t source_stride, std::int64_t k_count, std::int64_t n,
                          float beyond, float* destination, std::int64_t stride, const std::int32_t* index = nullptr) {
  const auto row = [&](std::int64_t k) { return source + (index != nullptr ? index[k] : k) * source_stride; };
  for (std::int64_t k = 0; k < k_count; k += word_terms, destination += stride) {
    const float* const one = row(k);
    const float* const next = k + 1 < k_count ? row(k + 1) : nullptr;
    for_vectors(n, [&](std::int64_t c, int count) {
      store(destination + c,
            words_of(load_some(one + c, count), next != nullptr ? load_some(next + c, count) : set(beyond)));
    });
  }
}

/// As pack_rows: the words of B[k][n] = source[k][n].
inline void pack_rounded_rows(const float* source, std::int64_t row_stride, std::int64_t k_count, std::int64_t n,
                              float* packed, const std::int32_t* index = nullptr) {
  for (std::int64_t first = 0; first < n; first += panel_width) {
    const std::int64_t columns = n - first < panel_width ? n - first : panel_width;
    round_columns(source + first, row_stride, k_count, columns, 0.0f, packed + first * word_count(k_count),
                  rounded_up(columns, width), index);
  }
}

/// As pack_columns: the words of B[k][n] = source[n][k].
inline void pack_rounded_columns(const float* source, std::int64_t row_stride, std::int64_t k_count, std::int64_t n,
                                 float* packed) {
  constexpr std::int64_t side = 16;
  float square[side * side];
  const std::int64_t words = word_count(k_count);
  for (std::int64_t first = 0; first < n; first += panel_width) {
    const std::int64_t columns = n - first < panel_width ? n - first : panel_width;
    const std::int64_t stride = rounded_up(columns, width);
    for (std::int64_t w = 0; w < words; w += side) {
      const std::int64_t k = w * word_terms;
      const std::int64_t terms = k_count - k < side * word_terms ? k_count - k : side * word_terms;
      for (std::int64_t j = 0; j < stride; j += side) {
        const std::int64_t last = j + side < stride ? j + side : stride, filled = (last < columns ? last : columns) - j;
        round_rows(source + (first + j) * row_stride + k, row_stride, filled, terms, 0.0f, square, side);
        transpose_block(square, side, filled, word_count(terms), last - j, packed + first * words + w * stride + j,
                        stride);
      }
    }
  }
}

/// The left operand of a product, and what its elements are: floats, or words of terms.
struct LeftOperand {
  const float* data = nullptr;
  std::int64_t row_stride = 0, k_stride = 0, k_count = 0;
  bool is_rounded = false;
};

/// Rows [0, rows) of a[r][k]; `memory` takes rows * word_count(k_count) floats if they are rounded.
inline LeftOperand left_rows(const float* a, std::int64_t row_stride, std::int64_t rows, std::int64_t k_count,
                             bool is_rounded, float* memory) {
  if (!is_rounded) return {a, row_stride, 1, k_count, false};
  const std::int64_t stride = word_count(k_count);
  round_rows(a, row_stride, rows, k_count, -0.0f, memory, stride);
  return {memory, stride, 1, stride, true};
}

template <class Init, class Keep>
void multiply(std::int64_t rows, std::int64_t n, const LeftOperand& a, const float* packed, const Init& init,
              const Keep& keep) {
  if (a.is_rounded) {
    multiply<RoundedTerm>(rows, n, a.k_count, a.data, a.row_stride, a.k_stride, packed, init, keep);
  } else {
    multiply<ExactTerm>(rows, n, a.k_count, a.data, a.row_stride, a.k_stride, packed, init, keep);
  }
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
