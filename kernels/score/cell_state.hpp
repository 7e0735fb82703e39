#pragma once

#include "kernels/elementary.hpp"

/// What is known of a source's cells in a row, for all backends and for explanations on the host.
namespace cugad {

enum class SourceKind : std::int32_t { number, single_number, category };
enum class CellState { usual, missing, unseen };

CUGAD_INLINE CellState cell_state(const float* row, std::int32_t first, std::int32_t columns, SourceKind kind,
                                  float constant) {
  if (kind != SourceKind::category) {
    const float x = row[first];
    if (x != x) return CellState::missing;
    return kind == SourceKind::single_number && x != constant ? CellState::unseen : CellState::usual;
  }
  bool any = false;
  for (std::int32_t c = first; c < first + columns; ++c) {
    if (row[c] != row[c]) return CellState::missing;
    any = any || row[c] != 0.0f;
  }
  return any ? CellState::usual : CellState::unseen;
}

}  // namespace cugad
