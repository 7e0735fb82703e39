#pragma once

#include "cugad/device.hpp"
#include "kernels/convolution/geometry.hpp"

/// The gradients of weights and bias of a convolution on a GPU (weight_gradient.cu).
namespace cugad::cuda {

std::size_t parameter_workspace(const ConvolutionBackward& args);
void launch_parameters(Context& context, const ConvolutionBackward& args, float* scratch);

}  // namespace cugad::cuda
