#pragma once

#include "host/methods/anogan.hpp"

namespace cugad {

/// Of methods with an encoder and a prior.
inline constexpr std::initializer_list<ScoreRule> encoder_scores = {
    ScoreRule::reconstruction, ScoreRule::search, ScoreRule::bank, ScoreRule::discriminator, ScoreRule::latent};

/// Scoring of methods with an encoder: z = E(x), x' = G(z), and what the discriminators say of them. Bank and search
/// scores are AnoGAN's; a search may start from E(x).
class EncoderModel : public AnoGan {
 public:
  EncoderModel(const Device& device, const DetectorOptions& resolved_options, const MethodNetworks& networks);

  AbsentForm absent_form() const override;

 protected:
  float largest_scaled_residual() const override;
  std::unique_ptr<AnomalyModel> copy() const override { return std::make_unique<EncoderModel>(*this); }
  void draw() override;
  void take_memory(std::int64_t rows) override;
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override;
  void explain(MatrixView<const float> rows) override;
  void learn_scales(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin) override;
  StackView<const float> encode(MatrixView<const float> rows) override;
  StackView<const float> judge(StackView<const float> filled) override;
  /// What the reconstruction score multiplies its two parts with, which are sums over columns and features.
  struct ScoreWeights {
    float residual, discrimination;
  };
  virtual ScoreWeights score_weights() const { return {1.0f - options_.lambda, options_.lambda}; }

 private:
  /// What scoring calls the encoder: the outputs that give z, without ALI's log variances; with conditions one that
  /// gives those behind z, and the conditions alone for a method without an encoder.
  NetworkView encoder_view() const;
  bool reconstructs() const { return options_.score != ScoreRule::bank && options_.score != ScoreRule::search; }
  bool scores_cycles() const {
    return options_.score == ScoreRule::cycle_features || options_.score == ScoreRule::cycle_logits;
  }
  bool discriminates() const;
  bool compares_features() const;
  bool judges_query() const;
  /// z of the rows that reconstruct() or encode() saw last, without conditions.
  StackView<const float> latents(std::int64_t rows) const {
    return encoded_.slice_rows(0, rows).slice_columns(0, networks_.latent);
  }
  void carry_conditions();
  ReconstructionScore reconstruction_arguments(StackView<const float> x) const;
  void reconstruct(MatrixView<const float> rows, bool with_residuals);
  StackView<const float> discriminate(StackView<const float> filled);
  StackView<const float> latent_distance(std::int64_t rows);
  StackView<const float> cycle_score(StackView<const float> filled);
  void take_loss(StackView<const float> logit, StackView<float> out);
  void take_distance(StackView<const float> a, StackView<const float> b, Distance metric, StackView<float> out);

  Mlp carried_encoder_;
  StackView<float> carried_encoder_weights_;
  StackView<float> encoded_, total_, pairs_, pair_distance_;
  Network::Buffers second_encoder_buffers_;
  Network::Buffers query_buffers_, pair_buffers_;  ///< of the discriminator that compares
  Network features_;                               ///< that discriminator up to what it compares
};

}  // namespace cugad
