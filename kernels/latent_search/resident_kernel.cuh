#pragma once

#include "kernels/latent_search/resident_tile.cuh"

/// The kernel of the resident search.
namespace cugad::cuda {

template <class Element, class N, int team>
__device__ void load_networks(const ResidentShared<Element, N, team>& shared, const ResidentArguments& args,
                              std::int64_t model) {
  const auto load = [&](typename Element::Word* weight, float4* bias, int layer, int out, int in) {
    load_padded<Element>(weight, bias, args.layer[layer], model, out, in);
  };
  load(shared.g1, shared.g1_bias, 0, N::g1, N::latent);
  load(shared.g2, shared.g2_bias, 1, N::g2, N::g1);
  // Null if weights stream.
  load(N::streamed ? nullptr : shared.g3, shared.g3_bias, 2, N::columns, N::g2);
  load(N::streamed ? nullptr : shared.d1, shared.d1_bias, 3, N::d1, N::columns);
  load(N::streamed ? nullptr : shared.d2, shared.d2_bias, 4, N::d2, N::d1);
  load(N::streamed ? nullptr : shared.d3, shared.d3_bias, 5, N::d3, N::d2);
  load_logit(shared.logit, args.logit, model, N::d3, resident_threads(team));
}

/// Whether a chip of this machine code runs this class: 8.x and 12.x have too little shared memory for both networks,
/// the others need no panels. Tests of PTX have the classes of all chips.
template <class N>
constexpr bool is_compiled() {
#if defined(__CUDA_ARCH__) && !defined(CUGAD_CLASSES_OF_ALL_CHIPS)
  return N::streamed == (__CUDA_ARCH__ < 900 || __CUDA_ARCH__ / 100 == 12);
#else
  return true;
#endif
}

/// Each block takes consecutive tiles, so that it rarely changes the model. Searching warps need no barrier but those
/// around a change of weights, and, if weights stream, one per panel.
template <class Element, class N, bool general, int team>
__global__ void __launch_bounds__(resident_threads(team), 1)
    resident_search_kernel(const __grid_constant__ ResidentArguments args) {
  if constexpr (!is_compiled<N>()) {
    __trap();  // never launched
  } else if constexpr (Element::warpgroup && !device::has_warpgroup_products) {
    __trap();  // machine code without the instructions that the host selected: fails instead of writing no scores
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
      // Warps that synchronise stay together, even without rows.
      const bool has_rows = warp < args.warps && search.first_row_of(tile) < args.z.rows;
      if (warps_meet<Element, N, team> || has_rows) search.search(tile);
    }
    stream.finish();
  }
}

}  // namespace cugad::cuda
