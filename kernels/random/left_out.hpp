#pragma once

#include "cugad/ops.hpp"
#include "kernels/elementary.hpp"

namespace cugad {

/// The row of a draw: rows from left_out_first on are shifted by left_out_count.
CUGAD_INLINE std::int32_t skip_left_out(const SampleRows& args, std::int64_t model, std::int32_t row) {
  if (args.left_out_first.data == nullptr || row < *args.left_out_first.model(model).data) return row;
  return row + *args.left_out_count.model(model).data;
}

}  // namespace cugad
