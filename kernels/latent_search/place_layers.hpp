#pragma once

#include "kernels/latent_search/resident_networks.cuh"

/// How networks are put into the places that a class of kernels in registers has for their layers.
namespace cugad::cuda {

/// The layers of a network at the end of `count` places, identity layers before them.
inline void place_layers(const NetworkView& network, int layers, int count, ResidentLayer* places) {
  for (int l = 0; l < layers; ++l) {
    const LayerView& layer = network.layer[l];
    const float slope = layer.activation == Activation::relu         ? 0.0f
                        : layer.activation == Activation::leaky_relu ? layer.slope
                                                                     : 1.0f;
    places[count - layers + l] = {layer.weight, layer.bias, layer.model_stride, layer.in, layer.out, slope};
  }
}

inline bool is_piecewise_linear(const LayerView& layer) {
  return layer.activation == Activation::identity || layer.activation == Activation::relu ||
         (layer.activation == Activation::leaky_relu && layer.slope <= 1.0f);
}

/// Whether `layers` layers fit into three places of these widths: at most one place is left over.
inline bool layers_fit(const NetworkView& network, int layers, const int (&widths)[4]) {
  const int skipped = 3 - layers;
  if (skipped < 0 || skipped > 1 || network.layer[0].in > widths[0]) return false;
  if (skipped == 1 && network.layer[0].in > widths[1]) return false;
  for (int l = 0; l < layers; ++l) {
    if (network.layer[l].out > widths[skipped + l + 1] || !is_piecewise_linear(network.layer[l])) return false;
  }
  return true;
}

}  // namespace cugad::cuda
