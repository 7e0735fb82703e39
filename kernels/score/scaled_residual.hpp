#pragma once

#include "kernels/score/scaled_score.hpp"

namespace cugad::cuda {

/// The scaled and limited residual of rows, and their loss.
void score_parts(Context& context, const ResidualParts& parts);

}  // namespace cugad::cuda
