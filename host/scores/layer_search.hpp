#pragma once

#include "host/scores/scoring_networks.hpp"

namespace cugad {

/// The latent search (Schlegl 2017) through networks with convolutions, layer by layer: the losses of LatentSearch for
/// l1 and squared residuals, with no discrimination or features, in one search per row. Batch-invariant.
class LayerSearch {
 public:
  void take_memory(ScoringNetworks& networks, std::int64_t rows);
  /// Moves `latent` [models, rows, inputs of G], where the searches begin; the networks' reconstruction() and loss()
  /// have the result.
  void search(ScoringNetworks& networks, MatrixView<const float> rows, StackView<float> latent);

 private:
  struct Pass;
  Network::Buffers generator_, judge_, query_;
  Network features_;  ///< D up to what is compared
  StackView<float> row_gradient_, slope_, latent_gradient_, first_moment_, second_moment_, discrimination_;
};

}  // namespace cugad
