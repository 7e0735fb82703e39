#pragma once

#include "kernels/device/runtime.cuh"

namespace cugad::device {

/// cudaErrorNoKernelImageForDevice if this build has no machine code that the current device can run.
cudaError_t find_kernel_image();

}  // namespace cugad::device
