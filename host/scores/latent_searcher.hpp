#pragma once

#include <string>

#include "host/scores/layer_search.hpp"

namespace cugad {

/// Whether scores need generated rows beside those that a search makes.
bool has_bank(const DetectorOptions& options);

/// The bank of generated rows and the search in the latent space (Schlegl 2017), which bank and search scores share:
/// the one explains by the other.
class LatentSearcher {
 public:
  /// Draws the bank's latents, or a pool of random starts, and generates the bank's rows. On the CPU that waits until
  /// memory is taken, or the bank is asked for: a model that is loaded, and not scored with, needs none.
  void draw(ScoringNetworks& networks);
  void take_memory(ScoringNetworks& networks, std::int64_t rows);

  const StackView<float>& bank(ScoringNetworks& networks);
  /// The bank rows nearest to each row, of each model; nearest first.
  struct Nearest {
    StackView<float> distance;
    StackView<std::int32_t> index;
  };
  Nearest find_nearest(ScoringNetworks& networks, MatrixView<const float> rows, std::int64_t neighbours);

  /// Chooses where the search of each row begins, and searches; the networks' loss(), reconstruction() and, on request,
  /// feature_residual() have the result.
  void search(ScoringNetworks& networks, MatrixView<const float> rows, bool with_residuals);
  /// The residual per column of the nearest generated row, without a search.
  void compare_with_nearest(ScoringNetworks& networks, MatrixView<const float> rows);
  /// How a search of so many rows runs.
  std::string path(ScoringNetworks& networks, std::int64_t rows) const;

 private:
  bool is_drawn() const { return bank_latent_.data != nullptr; }
  void draw_now(ScoringNetworks& networks);
  void choose_starts(ScoringNetworks& networks, MatrixView<const float> rows);
  void start_from_encoder(ScoringNetworks& networks, MatrixView<const float> rows);
  void start_from_all_of_the_bank(ScoringNetworks& networks, std::int64_t rows);
  LatentSearch arguments(ScoringNetworks& networks, StackView<const float> query, bool with_residuals) const;

  StackView<float> bank_, bank_latent_;
  // Of as many rows as are scored at a time.
  StackView<float> distance_, latent_;
  StackView<std::int32_t> nearest_, start_;
  LayerSearch by_layers_;  ///< of networks with convolutions
};

}  // namespace cugad
