#pragma once

#include "kernels/device/shared_memory.cuh"
#include "kernels/latent_search/search_general.hpp"
#include "kernels/latent_search/search_losses.cuh"

/// What a block of the general search keeps in shared memory after the weights.
namespace cugad::device {

struct SearchMemory {
  float *z, *first_moment, *second_moment;  ///< [rows, latent]
  float* x;                                 ///< [rows, d], missing cells filled
  float* wanted;                            ///< [rows, features] of the query
  float* activations;                       ///< outputs of all layers, see LayerPlace
  float* biases;
  float* row_scale;  ///< [2, rows]: factors of the gradients of Euclidean distances: residual, features
  AdamStep* adam;

  __device__ SearchMemory(const cuda::SearchArguments& args, SharedMemory& memory) {
    const int rows = args.shape.rows;
    z = floats(memory, rows * args.latent_stride);
    first_moment = floats(memory, rows * args.latent_stride);
    second_moment = floats(memory, rows * args.latent_stride);
    x = floats(memory, rows * args.query_stride);
    wanted = floats(memory, rows * args.wanted_stride);
    activations = floats(memory, args.activations);
    biases = floats(memory, args.biases);
    row_scale = floats(memory, 2 * rows);
    adam = memory.take<AdamStep>(1);
  }

  /// Adds the constructor's arrays to `layout`.
  static void add_to(SharedLayout& layout, const cuda::SearchArguments& args) {
    const int rows = args.shape.rows;
    for (const int count :
         {rows * args.latent_stride, rows * args.latent_stride, rows * args.latent_stride, rows * args.query_stride,
          rows * args.wanted_stride, args.activations, args.biases, 2 * rows}) {
      layout.add<float>(static_cast<std::size_t>(count));
    }
    layout.add<AdamStep>(1);
  }

 private:
  __device__ static float* floats(SharedMemory& memory, int count) {
    return memory.take<float>(static_cast<std::size_t>(count));
  }
};

}  // namespace cugad::device
