#pragma once

#include "cugad/ops.hpp"

/// The latent search of networks that fit no block: dense layers and small kernels, step by step.
namespace cugad::cuda {

std::size_t search_layers_workspace(const Context& context, const LatentSearch& args);
void search_layers(Context& context, const LatentSearch& args);

}  // namespace cugad::cuda
