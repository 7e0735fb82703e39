#pragma once

#include "kernels/latent_search/resident_networks.cuh"

/// The arguments of the resident search, and its global memory.
namespace cugad::cuda {

struct ResidentArguments {
  ResidentLayer layer[resident_layers];
  ResidentLayer logit;
  StackView<const float> x;
  StackView<float> z;
  StackView<float> reconstruction;     ///< G(z) of every row of z, or null
  float* losses = nullptr;             ///< [models, rows of z, 3]: loss, residual, discrimination
  float4* lane_memory = nullptr;       ///< ResidentMemory of every warp
  void* panels = nullptr;              ///< streamed: the panels of every model, rounded (resident_stream.cuh)
  const float2* schedule = nullptr;    ///< per step: learning rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
  int tiles_per_model = 0, tiles = 0;  ///< a tile: 16 rows of z for each searching warp of a block
  int warps = 1;                       ///< that search
  int restarts = 1, steps = 0;
  float beta1 = 0, beta2 = 0, epsilon = 0;
  Distance residual_distance = Distance::l1, feature_distance = Distance::l1;
  bool features = false, cross_entropy = false;
  float lambda = 0, prior_weight = 0, latent_weight = 0, latent_clip = 0;
};

/// A warp's memory for values read once per step, [tile of 8 columns][lane] for each of: the query (NaN: missing; 0
/// beyond the columns), the query's features, G(z) in float32, G(z) - x.
template <class N>
struct ResidentMemory {
  static constexpr int x_at = 0, features_at = N::columns / 8, generated_at = features_at + N::d3 / 8,
                       residual_at = generated_at + N::columns / 8, tiles = residual_at + N::columns / 8;
  static constexpr int quads = tiles * device::warp_lanes;
  float4* lane;  ///< this lane's first quad
  __device__ float4& x(int tile) const { return lane[(x_at + tile) * device::warp_lanes]; }
  __device__ float4& features(int tile) const { return lane[(features_at + tile) * device::warp_lanes]; }
  __device__ float4& generated(int tile) const { return lane[(generated_at + tile) * device::warp_lanes]; }
  __device__ float4& residual(int tile) const { return lane[(residual_at + tile) * device::warp_lanes]; }
};

}  // namespace cugad::cuda
