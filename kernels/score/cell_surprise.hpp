#pragma once

#include <cmath>

#include "cugad/ops.hpp"
#include "kernels/score/cell_state.hpp"

namespace cugad {

/// One row of one model, from the sources [first, end). All others are usual; has_value: one of them has a value.
CUGAD_INLINE void write_cell_surprise(const CellSurprise& args, std::int64_t model, std::int64_t row,
                                      std::int64_t first, std::int64_t end, bool has_value = false) {
  const float* x = args.x.model(model).row(row);
  const MatrixView<const std::int32_t> source = args.source.model(model);
  const MatrixView<const float> constant = args.constant.model(model), weight = args.weight.model(model),
                                expected = args.expected.model(model);
  double surprise = 0.0, residual = 0.0;
  for (std::int64_t s = first; s < end; ++s) {
    const std::int32_t* at = source.row(s);
    const CellState state = cell_state(x, at[0], at[1], static_cast<SourceKind>(at[2]), *constant.row(s));
    has_value = has_value || state != CellState::missing;
    if (state == CellState::usual) continue;
    const int which = state == CellState::missing ? 0 : 1;
    surprise += static_cast<double>(weight.row(s)[which]);
    residual += static_cast<double>(expected.row(s)[which]);
  }
  *args.surprise.model(model).row(row) = has_value ? static_cast<float>(surprise) : NAN;
  if (args.residual.data != nullptr) *args.residual.model(model).row(row) = static_cast<float>(residual);
}

}  // namespace cugad
