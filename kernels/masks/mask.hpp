#pragma once

#include "kernels/random/uniform.hpp"

/// How a row's words decide which of its cells are hidden.
namespace cugad {

struct RowMask {
  float share;
  std::uint32_t chosen;  ///< the column that is hidden in any case
};

/// Blocks of the stream that a row owns: its own draws, then a word per column.
CUGAD_INLINE std::int64_t mask_blocks(std::int64_t columns) { return 1 + (columns + 3) / 4; }

CUGAD_INLINE RowMask row_mask(std::uint32_t word0, std::uint32_t word1, float lowest, float highest,
                              std::int64_t columns) {
  return {multiply_add(highest - lowest, unit_uniform(word0), lowest),
          static_cast<std::uint32_t>((static_cast<std::uint64_t>(word1) * static_cast<std::uint64_t>(columns)) >> 32)};
}

}  // namespace cugad
