#pragma once

#include <cstddef>

#include "cugad/ops.hpp"

/// The latent search with all weights in shared memory and all activations in registers: bfloat16, networks whose
/// widths fit a compiled class, chips with enough shared memory. The fastest path for searches that fit.
namespace cugad::cuda {

bool resident_search_fits(const Context& context, const LatentSearch& args);
/// Bytes of scratch memory of one call.
std::size_t resident_search_workspace(const Context& context, const LatentSearch& args);
/// Precondition: resident_search_fits.
void resident_search(Context& context, const LatentSearch& args);

}  // namespace cugad::cuda
