#pragma once

#include <string>

#include "kernels/contract.hpp"

/// The contract of a network of frozen dense layers, and of the losses on two of them, as arguments of an op.
namespace cugad {

inline void check_network(ContractCheck& check, const char* name, const NetworkView& network, std::int64_t in,
                          std::int64_t out) {
  const std::string field = name;
  check.require(network.layers >= 1 && network.layers <= NetworkView::max_layers, [&] {
    return field + " has " + std::to_string(network.layers) + " layers, expected 1 to " +
           std::to_string(NetworkView::max_layers);
  });
  if (!check.result().empty()) return;
  std::int64_t width = in;
  for (int l = 0; l < network.layers; ++l) {
    const LayerView& layer = network.layer[l];
    const auto at = [&] { return field + " layer " + std::to_string(l); };
    check.require(layer.in == width && layer.out >= 1, [&] {
      return at() + " is " + std::to_string(layer.in) + " to " + std::to_string(layer.out) + ", expected " +
             std::to_string(width) + " inputs";
    });
    check.require(layer.weight != nullptr && layer.bias != nullptr,
                  [&] { return at() + " has a null weight or bias"; });
    check.require(layer.activation >= Activation::identity && layer.activation <= Activation::tanh,
                  [&] { return at() + " has an unknown activation"; });
    check.require(layer.activation != Activation::leaky_relu || layer.slope > 0.0f,
                  [&] { return at() + ": slope must be positive"; });
    width = layer.out;
  }
  check.require(width == out, [&] {
    return field + " ends in " + std::to_string(width) + " outputs, expected " + std::to_string(out);
  });
}

/// The checks of losses that the search and the score share; the discriminator is checked if `is_used`.
inline void check_losses(ContractCheck& check, const NetworkView& discriminator, bool is_used, std::int64_t columns,
                         Discrimination discrimination, Distance residual) {
  if (is_used) {
    check_network(check, "discriminator", discriminator, columns, 1);
    check.require(discrimination < Discrimination::feature_l1 || discriminator.layers >= 2,
                  "feature matching needs a discriminator with a hidden layer");
    check.require(
        !check.result().empty() || discriminator.layer[discriminator.layers - 1].activation == Activation::identity,
        "the discriminator's last layer must give logits (identity)");
  }
  check.require(discrimination >= Discrimination::none && discrimination <= Discrimination::feature_squared,
                "unknown discrimination loss");
  check.require(residual >= Distance::l1 && residual <= Distance::squared, "unknown residual distance");
}

}  // namespace cugad
