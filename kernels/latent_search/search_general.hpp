#pragma once

#include "kernels/latent_search/search_terms.hpp"
#include "kernels/latent_search/tile_products.hpp"

/// The general fused search: its plan, written by the launcher and read by the kernel.
namespace cugad::cuda {

/// Outputs of one layer in the tile's memory: rows of `stride` floats from `offset`; its biases from `bias`.
struct LayerPlace {
  std::int32_t offset = 0, stride = 0, bias = 0;
};

constexpr int search_threads = 256;  ///< most threads of a block

struct SearchArguments {
  LatentSearch search;  ///< its z may be null if an encoder computes z
  NetworkView encoder;
  SearchLayers layers;
  TileShape shape;
  LayerPlace encoded[NetworkView::max_layers], generated[NetworkView::max_layers], judged[NetworkView::max_layers];
  std::int32_t activations = 0, biases = 0;  ///< floats
  std::int32_t latent_stride = 0, query_stride = 0,
               wanted_stride = 0;  ///< of z and its moments, x, the query's features
  TileProduct product[TileProducts::max_products];
  std::int64_t packed_bytes = 0, packed_stride = 0;  ///< of one model; from one model to the next (0: shared)
  const unsigned char* packed = nullptr;
  std::int64_t first_model = 0;
  /// With restarts the losses of every row of z, [models, z rows, 3]; the outputs are then chosen afterwards.
  float* row_losses = nullptr;
};

bool search_general_fits(const Context& context, const LatentSearch& args);
std::size_t search_general_workspace(const Context& context, const LatentSearch& args);
void search_general(Context& context, const LatentSearch& args);

/// With restarts, whether an output of the best z is derived from G(z); then the remaining work for its z.
inline bool needs_reconstruction(const LatentSearch& args) {
  return args.restarts > 1 && (args.reconstruction || args.feature_residual);
}
inline LatentSearch reconstruction_of(const LatentSearch& args, float* chosen_z) {
  LatentSearch last = args;
  last.discrimination_kind = Discrimination::none;
  last.prior_weight = last.latent_weight = 0.0f;
  last.restarts = 1;
  last.steps = 0;
  last.z = {chosen_z, args.z.models, args.x.rows, args.z.columns};
  last.loss = last.residual = last.discrimination = last.best_z = {};
  return last;
}

/// Of every query the restart with the smallest loss (ties: the first): its losses and z to the outputs that are
/// requested, its z also to chosen_z [models, queries, latent] if given.
void choose_restart(void* stream, const LatentSearch& args, const float* row_losses, float* chosen_z);

}  // namespace cugad::cuda
