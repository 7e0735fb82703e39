#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/simd.hpp"

/// The one matrix product of the CPU backend: C = init + A B, A read element by element with any strides, B packed into
/// panels. Every element of C is one chain of fused multiply-adds over k = 0, 1, ... from its initial value, in any
/// tile, which makes results independent of batch size, position and threads.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

constexpr int panel_width = panel_vectors * width;  ///< columns of C per panel of B
constexpr int tile_rows = 6;

inline std::int64_t rounded_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

/// Floats that a packed K x N operand takes: panels of panel_width columns, the last one narrowed to whole vectors.
inline std::int64_t packed_size(std::int64_t k, std::int64_t n) { return k * rounded_up(n, width); }

/// Packs B[k][n] = source[k * row_stride + n], of row index[k] if there is an index; columns beyond n become 0.
inline void pack_rows(const float* source, std::int64_t row_stride, std::int64_t k_count, std::int64_t n, float* packed,
                      const std::int32_t* index = nullptr) {
  for (std::int64_t first = 0; first < n; first += panel_width) {
    const std::int64_t columns = n - first < panel_width ? n - first : panel_width;
    const std::int64_t stride = rounded_up(columns, width);
    float* panel = packed + first * k_count;
    for (std::int64_t k = 0; k < k_count; ++k) {
      const float* row = source + (index != nullptr ? index[k] : k) * row_stride + first;
      for_vectors(columns,
                  [&](std::int64_t i, int count) { store(panel + k * stride + i, load_some(row + i, count)); });
    }
  }
}

/// destination[j][i] = source[i][j] for i < rows <= 16 and j < columns <= 16; for i from there to padded_rows 0 (or to
/// the end of a vector).
inline void transpose_block(const float* source, std::int64_t source_stride, std::int64_t rows, std::int64_t columns,
                            [[maybe_unused]] std::int64_t padded_rows, float* destination,
                            std::int64_t destination_stride) {
#if defined(__AVX512F__)
  transpose_16x16(source, source_stride, static_cast<int>(rows), static_cast<int>(columns), destination,
                  destination_stride);
#elif defined(__AVX2__)
  for (std::int64_t i = 0; i < padded_rows; i += 8) {
    for (std::int64_t j = 0; j < columns; j += 8) {
      transpose_8x8(source + i * source_stride + j, source_stride, rows - i, std::min<std::int64_t>(8, columns - j),
                    destination + j * destination_stride + i, destination_stride);
    }
  }
#else
  for (std::int64_t j = 0; j < columns; ++j, destination += destination_stride) {
    for (std::int64_t i = 0; i < rows; ++i) destination[i] = source[i * source_stride + j];
    for (std::int64_t i = rows > 0 ? rows : 0; i < padded_rows; ++i) destination[i] = 0.0f;
  }
#endif
}

/// Packs B[k][n] = source[n * row_stride + k] (a transposed operand); columns beyond n become 0.
inline void pack_columns(const float* source, std::int64_t row_stride, std::int64_t k_count, std::int64_t n,
                         float* packed) {
  for (std::int64_t first = 0; first < n; first += panel_width) {
    const std::int64_t columns = n - first < panel_width ? n - first : panel_width;
    const std::int64_t stride = rounded_up(columns, width);
    float* panel = packed + first * k_count;
    // Squares of 16: reads run along k, writes along n, both within a few cache lines.
    for (std::int64_t k0 = 0; k0 < k_count; k0 += 16) {
      const std::int64_t k1 = k0 + 16 < k_count ? k0 + 16 : k_count;
      for (std::int64_t j0 = 0; j0 < stride; j0 += 16) {
        const std::int64_t j1 = j0 + 16 < stride ? j0 + 16 : stride;
        const std::int64_t filled = j1 < columns ? j1 : columns;
        transpose_block(source + (first + j0) * row_stride + k0, row_stride, filled - j0, k1 - k0, j1 - j0,
                        panel + k0 * stride + j0, stride);
      }
    }
  }
}

/// sum + a b, one term of a chain. rounded_multiply.hpp has one of operands in bfloat16.
struct ExactTerm {
  static Vec add(Vec a, Vec b, Vec sum) { return fused(a, b, sum); }
};

/// The k that a product sums over: all, or those of a list, which ascends.
struct AllTerms {
  std::int64_t count;
};
struct ListedTerms {
  std::int64_t count;
  const std::int32_t* k;
};

/// One tile of ROWS x (VECTORS * width): init(row, vector) gives the starting value, keep(row, vector, value) takes the
/// result.
template <int ROWS, int VECTORS, class Term, class Terms, class Init, class Keep>
[[gnu::always_inline]] inline void multiply_tile(const Terms& terms, const float* a, std::int64_t a_row,
                                                 std::int64_t a_k, const float* panel, const Init& init,
                                                 const Keep& keep) {
  Vec sum[ROWS][VECTORS];
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) sum[i][v] = init(i, v);
  }
  constexpr bool is_listed = std::is_same_v<Terms, ListedTerms>;
  const float *a_of_k = a, *row_of_k = panel;
  for (std::int64_t i = 0; i < terms.count; ++i) {
    if constexpr (is_listed) {
      a_of_k = a + terms.k[i] * a_k;
      row_of_k = panel + std::int64_t{terms.k[i]} * (VECTORS * width);
    }
    Vec b[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) b[v] = load(row_of_k + v * width);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const Vec x = set(a_of_k[r * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = Term::add(x, b[v], sum[r][v]);
    }
    if constexpr (!is_listed) {
      a_of_k += a_k;
      row_of_k += VECTORS * width;
    }
  }
  if constexpr (vector_registers == 16) {
    // keep() may be a call, before which all sums go to memory. If they were read from `sum` there, the compiler would
    // hold some of them in memory during the loop as well, which has just as many registers as it needs.
    Vec result[ROWS][VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) result[i][v] = sum[i][v];
    }
    asm("" : "+m"(result));
    for (int i = 0; i < ROWS; ++i) {
      for (int v = 0; v < VECTORS; ++v) keep(i, v, result[i][v]);
    }
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) keep(i, v, sum[i][v]);
    }
  }
}

/// All rows of one panel. init and keep get (row, column of the vector, ...).
template <int VECTORS, class Term, class Terms, class Init, class Keep>
void multiply_panel(std::int64_t rows, std::int64_t first_column, const Terms& terms, const float* a,
                    std::int64_t a_row, std::int64_t a_k, const float* panel, const Init& init, const Keep& keep) {
  std::int64_t r = 0;
  auto tile = [&]<int ROWS>() {
    multiply_tile<ROWS, VECTORS, Term>(
        terms, a + r * a_row, a_row, a_k, panel, [&](int i, int v) { return init(r + i, first_column + v * width); },
        [&](int i, int v, Vec sum) { keep(r + i, first_column + v * width, sum); });
    r += ROWS;
  };
  // Tiles of nearly equal height: a low one at the end would wait for its few chains.
  const std::int64_t tiles = (rows + tile_rows - 1) / tile_rows, height = rows / std::max<std::int64_t>(1, tiles);
  for (std::int64_t t = 0; t < tiles; ++t) {
    switch (height + (t < rows - tiles * height)) {
      case tile_rows:
        tile.template operator()<tile_rows>();
        break;
      case 5:
        tile.template operator()<5>();
        break;
      case 4:
        tile.template operator()<4>();
        break;
      case 3:
        tile.template operator()<3>();
        break;
      case 2:
        tile.template operator()<2>();
        break;
      default:
        tile.template operator()<1>();
        break;
    }
  }
}

/// C[rows x n] = init + A B for packed B. Columns are handed out in whole vectors: keep() sees columns up to n rounded
/// up to `width` and must not store beyond n.
template <class Term = ExactTerm, class Terms, class Init, class Keep>
void multiply_terms(std::int64_t rows, std::int64_t n, std::int64_t k_count, const Terms& terms, const float* a,
                    std::int64_t a_row, std::int64_t a_k, const float* packed, const Init& init, const Keep& keep) {
  for (std::int64_t first = 0; first < n; first += panel_width) {
    const std::int64_t vectors = n - first >= panel_width ? panel_vectors : rounded_up(n - first, width) / width;
    const float* panel = packed + first * k_count;
    switch (vectors) {
      case 4:
        if constexpr (panel_vectors == 4) multiply_panel<4, Term>(rows, first, terms, a, a_row, a_k, panel, init, keep);
        break;
      case 3:
        if constexpr (panel_vectors == 4) multiply_panel<3, Term>(rows, first, terms, a, a_row, a_k, panel, init, keep);
        break;
      case 2:
        multiply_panel<2, Term>(rows, first, terms, a, a_row, a_k, panel, init, keep);
        break;
      default:
        multiply_panel<1, Term>(rows, first, terms, a, a_row, a_k, panel, init, keep);
        break;
    }
  }
}

template <class Term = ExactTerm, class Init, class Keep>
void multiply(std::int64_t rows, std::int64_t n, std::int64_t k_count, const float* a, std::int64_t a_row,
              std::int64_t a_k, const float* packed, const Init& init, const Keep& keep) {
  multiply_terms<Term>(rows, n, k_count, AllTerms{k_count}, a, a_row, a_k, packed, init, keep);
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
