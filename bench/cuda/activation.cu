#include "bench/cuda/activation.hpp"
#include "kernels/device/runtime.cuh"

namespace cugad::bench {
namespace {

struct Arguments {
  float* y;
  std::int64_t count;
  float slope;
};

__global__ void leaky_relu_kernel(Arguments a) {
  for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i < a.count;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    a.y[i] = a.y[i] > 0.0f ? a.y[i] : a.y[i] * a.slope;
  }
}

}  // namespace

void leaky_relu(void* stream, float* y, std::int64_t count, float slope) {
  const unsigned blocks = device::blocks_for(count, 256);
  device::launch(stream, "leaky_relu", {dim3(blocks < 4096 ? blocks : 4096), dim3(256)}, leaky_relu_kernel,
                 Arguments{y, count, slope});
}

}  // namespace cugad::bench
