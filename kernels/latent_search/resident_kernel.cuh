#pragma once

#include "kernels/latent_search/resident_tile.cuh"

/// The kernel of the resident search.
namespace cugad::cuda {

template <class Element, class N, int team>
__device__ void load_networks(const ResidentShared<Element, N, team>& shared, const ResidentArguments& args,
                              std::int64_t model) {
  load_padded<Element, resident_threads(team)>(shared.g1, shared.g1_bias, args.layer[0], model, N::G1::out, N::G1::in);
  load_padded<Element, resident_threads(team)>(shared.g2, shared.g2_bias, args.layer[1], model, N::G2::out, N::G2::in);
  load_padded<Element, resident_threads(team)>(shared.g3, shared.g3_bias, args.layer[2], model, N::G3::out, N::G3::in);
  load_padded<Element, resident_threads(team)>(shared.d1, shared.d1_bias, args.layer[3], model, N::D1::out, N::D1::in);
  load_padded<Element, resident_threads(team)>(shared.d2, shared.d2_bias, args.layer[4], model, N::D2::out, N::D2::in);
  load_padded<Element, resident_threads(team)>(shared.d3, shared.d3_bias, args.layer[5], model, N::D3::out, N::D3::in);
  const ResidentLayer& logit = args.logit;
  for (int i = static_cast<int>(threadIdx.x); i < N::d3; i += resident_threads(team))
    shared.logit[i] = i < logit.in ? logit.weight[model * logit.model_stride + i] : 0.0f;
  if (threadIdx.x == 0) shared.logit[N::d3] = logit.weight != nullptr ? logit.bias[model * logit.model_stride] : 0.0f;
}

/// Where the run of tiles of a block begins.
__device__ inline int first_tile(int tiles, unsigned block) {
  return static_cast<int>(static_cast<std::int64_t>(tiles) * block / gridDim.x);
}

/// Each block takes a run of tiles, so that it seldom meets a new model. Searching warps need no barrier but those
/// around a change of weights.
template <class Element, class N, bool general, int team>
__global__ void __launch_bounds__(resident_threads(team), 1)
    resident_search_kernel(const __grid_constant__ ResidentArguments args) {
  // Chips below 9.0 and those of 12.x have less shared memory than any class needs. No launcher comes here for them.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ < 900 || __CUDA_ARCH__ / 100 == 12)
  __trap();
#else
  if constexpr (Element::warpgroup && !device::has_warpgroup_products) {
    __trap();  // machine code without the instructions that were chosen on the host: better an error than no scores
  } else {
    const ResidentShared<Element, N, team> shared;
    const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
    const int begin = first_tile(args.tiles, blockIdx.x), end = first_tile(args.tiles, blockIdx.x + 1);
    for (int tile = begin; tile < end; ++tile) {
      if (tile == begin || tile % args.tiles_per_model == 0) {
        __syncthreads();
        load_networks(shared, args, tile / args.tiles_per_model);
        if constexpr (Element::warpgroup) Element::publish();
        __syncthreads();
      }
      ResidentTile<Element, N, general, team> search(args, shared);
      // The warps of a group or team stay together, also where there are no rows.
      const bool has_rows = warp < args.warps && search.first_row_of(tile) < args.z.rows;
      if (Element::warpgroup || team > 1 || has_rows) search.search(tile);
    }
  }
#endif
}

}  // namespace cugad::cuda
