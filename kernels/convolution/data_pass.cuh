#pragma once

#include "cugad/device.hpp"
#include "kernels/convolution/geometry.hpp"
#include "kernels/dense/forward_ending.cuh"

/// Passes of data through a convolution on a GPU (data_pass.cu).
namespace cugad::cuda {

/// One pass of all models.
struct PassOperands {
  convolution::Pass pass;
  StackView<const float> source, weight, bias, derivative_of;
  StackView<float> target;
  bool backwards;  ///< the weight's rows belong to the source's channels, not to the target's
  ForwardEnding ending;
};

std::size_t pass_workspace(const PassOperands& operands);
void launch_pass(Context& context, const char* name, const PassOperands& operands, float* scratch);

}  // namespace cugad::cuda
