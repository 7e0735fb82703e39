#pragma once

#include <memory>

#include "host/scores/latent_descent.hpp"
#include "host/scores/scoring_networks.hpp"

namespace cugad {

/// The latent search (Schlegl 2017) through networks of any layers, layer by layer: the losses of LatentSearch for l1
/// and squared residuals, with no discrimination or features. The restarts of some rows are one batch. Batch-invariant.
class LayerSearch {
 public:
  void take_memory(ScoringNetworks& networks, std::int64_t rows);
  /// Moves `latent` [models, rows * restarts, inputs of G], where the searches begin: restart k of row r is row
  /// r * restarts + k. The networks' reconstruction() and loss() have the result of the restart whose loss is the
  /// least, the first of equals.
  void search(ScoringNetworks& networks, MatrixView<const float> rows, StackView<float> latent);

 private:
  struct Pass;
  void take_choices(ScoringNetworks& networks);
  void search_some(ScoringNetworks& networks, MatrixView<const float> rows, StackView<float> latent);
  struct Span {
    std::int64_t first, count, all;
  };
  void choose(ScoringNetworks& networks, const Span& rows);

  std::int64_t room_ = 0;  ///< searches at a time
  Network::Buffers generator_, judge_, query_;
  Network features_;  ///< D up to what is compared
  LatentDescent descent_;
  StackView<float> row_gradient_, slope_, discrimination_, loss_;
  StackView<float> filled_, rebuilt_;
  // Of searches with several restarts. Scoring contexts may keep banks packed, which losses are here.
  std::shared_ptr<Context> choosing_;
  StackView<std::int32_t> row_of_search_, best_;
  StackView<float> query_rows_, nothing_;
};

}  // namespace cugad
