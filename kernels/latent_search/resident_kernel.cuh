#pragma once

#include "kernels/latent_search/resident_tile.cuh"

/// The kernel of the resident search.
namespace cugad::cuda {

template <class Element, class N, int team>
__device__ void load_networks(const ResidentShared<Element, N, team>& shared, const ResidentArguments& args,
                              std::int64_t model) {
  constexpr int threads = resident_threads(team);
  const ResidentLayer* layer = args.layer;
  round_weights<Element, threads>(shared.g1, layer[0], model, N::G1::out, N::G1::in);
  round_weights<Element, threads>(shared.g2, layer[1], model, N::G2::out, N::G2::in);
  if constexpr (!N::streamed) {
    round_weights<Element, threads>(shared.g3, layer[2], model, N::G3::out, N::G3::in);
    round_weights<Element, threads>(shared.d1, layer[3], model, N::D1::out, N::D1::in);
    round_weights<Element, threads>(shared.d2, layer[4], model, N::D2::out, N::D2::in);
    round_weights<Element, threads>(shared.d3, layer[5], model, N::D3::out, N::D3::in);
  }
  load_bias(shared.g1_bias, layer[0], model, N::g1);
  load_bias(shared.g2_bias, layer[1], model, N::g2);
  load_bias(shared.g3_bias, layer[2], model, N::columns);
  load_bias(shared.d1_bias, layer[3], model, N::d1);
  load_bias(shared.d2_bias, layer[4], model, N::d2);
  load_bias(shared.d3_bias, layer[5], model, N::d3);
  load_logit(shared.logit, args.logit, model, N::d3);
}

/// Whether a chip that runs this machine code may come here: 8.x and 12.x have too little shared memory for both
/// networks, the others need no panels. Tests of PTX have the classes of all chips.
template <class N>
constexpr bool is_compiled() {
#if defined(__CUDA_ARCH__) && !defined(CUGAD_CLASSES_OF_ALL_CHIPS)
  return N::streamed == (__CUDA_ARCH__ < 900 || __CUDA_ARCH__ / 100 == 12);
#else
  return true;
#endif
}

/// Each block takes a run of tiles, so that it seldom meets a new model. Searching warps need no barrier but those
/// around a change of weights, and where weights stream one per panel.
template <class Element, class N, bool general, int team>
__global__ void __launch_bounds__(resident_threads(team), 1)
    resident_search_kernel(const __grid_constant__ ResidentArguments args) {
  if constexpr (!is_compiled<N>()) {
    __trap();  // no launcher comes here
  } else if constexpr (Element::warpgroup && !device::has_warpgroup_products) {
    __trap();  // machine code without the instructions that were chosen on the host: better an error than no scores
  } else {
    ResidentShared<Element, N, team> shared;
    ResidentStream<Element, N, team> stream(shared, args.panels);
    const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
    const int begin = first_tile(args.tiles, blockIdx.x), end = first_tile(args.tiles, blockIdx.x + 1);
    for (int tile = begin; tile < end; ++tile) {
      if (tile == begin || tile % args.tiles_per_model == 0) {
        stream.finish();
        __syncthreads();
        load_networks(shared, args, tile / args.tiles_per_model);
        stream.begin(tile / args.tiles_per_model);
        if constexpr (Element::warpgroup) Element::publish();
        __syncthreads();
      }
      ResidentTile<Element, N, general, team> search(args, shared, stream);
      // Warps that meet stay together, also where there are no rows.
      const bool has_rows = warp < args.warps && search.first_row_of(tile) < args.z.rows;
      if (warps_meet<Element, N, team> || has_rows) search.search(tile);
    }
    stream.finish();
  }
}

}  // namespace cugad::cuda
