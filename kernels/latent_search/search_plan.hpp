#pragma once

#include "kernels/latent_search/search_general.hpp"

/// How a search is laid out on a chip: tile, buffers, packed weights, models per launch.
namespace cugad::cuda {

struct SearchPlan {
  SearchArguments args;
  TileProducts products;
  std::int64_t group = 1;       ///< models per launch
  bool shared_weights = false;  ///< one set for all models
  std::size_t shared_bytes = 0;

  /// Of the packed weights of a launch.
  std::size_t packed_size() const { return static_cast<std::size_t>(products.bytes * (shared_weights ? 1 : group)); }
};

/// The plan for a search of at least one row, whose z comes from `encoder` if that has layers. False: no tile fits.
bool make_search_plan(const Context& context, const LatentSearch& args, const NetworkView& encoder, SearchPlan& plan);

/// Packs the weights and runs the kernel, group after group of models.
void launch_search(const Context& context, SearchPlan& plan, unsigned char* packed);

}  // namespace cugad::cuda
