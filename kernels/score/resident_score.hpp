#pragma once

#include <cstddef>

#include "cugad/ops.hpp"

/// The score through an encoder with all activations in registers: bfloat16, networks whose widths fit the compiled
/// class. The fastest path for scores that fit.
namespace cugad::cuda {

bool resident_score_fits(const Context& context, const ReconstructionScore& args);
/// Bytes of scratch memory of one call.
std::size_t resident_score_workspace(const Context& context, const ReconstructionScore& args);
/// Precondition: resident_score_fits.
void resident_score(Context& context, const ReconstructionScore& args);

}  // namespace cugad::cuda
