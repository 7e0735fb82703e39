#include <algorithm>
#include <cstddef>

#include "kernels/convolution/data_pass.cuh"
#include "kernels/convolution/weight_gradient.cuh"
#include "kernels/dense/dense_backward.cuh"
#include "kernels/device/entries.hpp"

/// The backward pass of a convolution:
///
///   dY, y --> dH (in place of dY) --+--> dX: a pass of data the other way
///                                   +--> dW, db (weight_gradient.cu)
///
/// The passes share their scratch memory: one follows the other.
namespace cugad::cuda {
namespace {

PassOperands input_operands(const ConvolutionBackward& args) {
  PassOperands op = {};
  op.pass = convolution::backward_pass(args.from, args.to, args.window);
  op.source = args.dy;
  op.weight = args.weight;
  op.target = args.dx;
  op.backwards = true;
  op.ending = forward_ending(ConvolutionForward());  // none
  return op;
}

std::size_t backward_workspace(const Context&, const ConvolutionBackward& args) {
  return std::max(args.dx ? pass_workspace(input_operands(args)) : 0, parameter_workspace(args));
}

void backward(Context& context, const ConvolutionBackward& args) {
  if (args.dy.models == 0) return;
  const std::size_t bytes = backward_workspace(context, args);
  auto* const scratch = bytes > 0 ? static_cast<float*>(context.scratch(bytes)) : nullptr;
  if (args.dy.rows > 0) {
    DenseBackward activation;
    activation.y = args.y;
    activation.dy = args.dy;
    activation.activation = args.activation;
    activation.slope = args.slope;
    activation.dropout_rate = args.dropout_rate;
    for (std::int64_t first = 0; first < args.dy.models; first += device::max_grid_z) {
      launch_activation_backward(context, activation, first, std::min(args.dy.models - first, device::max_grid_z));
    }
  }
  if (args.dx) launch_pass(context, "convolution_backward (input)", input_operands(args), scratch);
  launch_parameters(context, args, scratch);
}

}  // namespace

OpEntry<ConvolutionBackward> convolution_backward_entry() { return {backward, backward_workspace}; }

}  // namespace cugad::cuda
