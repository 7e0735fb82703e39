#pragma once

#include "host/methods/anogan.hpp"

namespace cugad {

/// Scoring of methods with an encoder: z = E(x), x' = G(z), and what the discriminators say of them. Bank and search
/// scores are AnoGAN's; a search may start from E(x).
class EncoderModel : public AnoGan {
 public:
  EncoderModel(const Device& device, const DetectorOptions& resolved_options, const MethodNetworks& networks);
  void prepare() override;

 protected:
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override;
  void explain(MatrixView<const float> rows) override;
  void learn_scales(MatrixView<const float> rows) override;
  StackView<const float> encode(MatrixView<const float> rows) override;
  StackView<const float> judge(StackView<const float> filled) override;

 private:
  /// What scoring calls the encoder: the layers that give z, without ALI's log variances.
  NetworkView encoder_view() const;
  bool reconstructs() const { return options_.score != ScoreRule::bank && options_.score != ScoreRule::search; }
  bool compares_features() const;
  ReconstructionScore reconstruction_arguments(StackView<const float> x) const;
  void reconstruct(MatrixView<const float> rows, bool with_residuals);
  StackView<const float> discriminate(StackView<const float> filled);
  StackView<const float> latent_distance(std::int64_t rows);
  StackView<const float> cycle_score(StackView<const float> filled);

  StackView<float> encoded_, second_, total_, pairs_, pair_distance_;
  Network::Buffers second_encoder_buffers_;
  Network::Buffers query_buffers_, pair_buffers_;  ///< of the discriminator that compares
};

}  // namespace cugad
