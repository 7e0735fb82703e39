#pragma once

#include "cugad/ops.hpp"

/// The three ways in which the latent search runs on CUDA, and the one rule that chooses between them.
namespace cugad::cuda {

enum class SearchPath {
  resident,  ///< bfloat16, compiled widths, z without constants: weights in shared memory, activations in registers
  general,   ///< any widths and precision: activations in shared memory, weights streamed or resident, all steps
  layers,    ///< for networks that fit no block: dense layers and small kernels, one graph launched once per step
};

SearchPath choose_search_path(const Context& context, const LatentSearch& args);
const char* name_of(SearchPath path);

}  // namespace cugad::cuda
