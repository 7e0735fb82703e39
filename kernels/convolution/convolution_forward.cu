#include "kernels/convolution/data_pass.cuh"
#include "kernels/device/entries.hpp"

/// Y of a convolution: a pass of data with its ending.
namespace cugad::cuda {
namespace {

PassOperands operands_of(const ConvolutionForward& args) {
  return {convolution::forward_pass(args.from, args.to, args.window),
          args.x,
          args.weight,
          args.derivative_of ? StackView<const float>() : args.bias,
          args.derivative_of,
          args.y,
          false,
          forward_ending(args)};
}

std::size_t forward_workspace(const Context&, const ConvolutionForward& args) {
  return pass_workspace(operands_of(args));
}

void forward(Context& context, const ConvolutionForward& args) {
  const std::size_t bytes = forward_workspace(context, args);
  auto* const scratch = bytes > 0 ? static_cast<float*>(context.scratch(bytes)) : nullptr;
  launch_pass(context, "convolution_forward", operands_of(args), scratch);
}

}  // namespace

OpEntry<ConvolutionForward> convolution_forward_entry() { return {forward, forward_workspace}; }

}  // namespace cugad::cuda
