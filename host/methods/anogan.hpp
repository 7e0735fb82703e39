#pragma once

#include "host/methods/anomaly_model.hpp"

namespace cugad {

/// AnoGAN (Schlegl 2017): a GAN of normal rows; a query is scored by how badly the best G(z) explains it, found by the
/// latent search or among a bank of generated rows, and by the discriminator's view. Methods with an encoder search
/// from E(x), too.
class AnoGan : public AnomalyModel {
 public:
  using AnomalyModel::AnomalyModel;
  void prepare() override;
  std::string search_path() const override;

 protected:
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override;
  void explain(MatrixView<const float> rows) override;
  /// E(x) per model [models, rows, latent]; only methods with an encoder have it.
  virtual StackView<const float> encode(MatrixView<const float> rows);
  /// D's logit per model for rows whose missing cells are filled.
  virtual StackView<const float> judge(StackView<const float> filled);
  /// `rows` with their missing cells filled from reconstruction_, per model.
  StackView<const float> fill_missing(MatrixView<const float> rows);

  /// What searches vary: the generator's inputs.
  std::int64_t search_inputs() const { return networks_.generator().inputs(); }
  NetworkView generator_view() const { return networks_.generator().trunk().view(weight(Role::generator)); }

  StackView<float> loss_, filled_, reconstruction_;
  Network::Buffers judge_buffers_;

 private:
  bool searches() const { return options_.score == ScoreRule::search; }
  bool needs_bank() const {
    return options_.score == ScoreRule::bank || (searches() && options_.search_from == SearchStart::bank);
  }
  void find_nearest(StackView<const float> query, std::int64_t neighbours);
  void start_search(MatrixView<const float> rows);
  void start_from_encoder(MatrixView<const float> rows);
  StackView<const std::int32_t> repeat_last(std::int64_t rows, std::int64_t known);
  LatentSearch search_arguments(StackView<const float> query, bool with_residuals) const;

  StackView<float> bank_, bank_latent_, distance_, latent_;
  StackView<std::int32_t> nearest_, start_;
  std::int64_t nearest_count_ = 0;
};

/// G and D on whole rows, as AnoGAN, GAN and f-AnoGAN have them (f-AnoGAN with an encoder).
MethodNetworks gan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition);
/// An encoder of rows: leaky-ReLU layers, then `outputs` linear (or tanh) units.
Network encoder_network(const DetectorOptions& options, int inputs, int outputs);
/// A generator with `outputs` linear outputs.
Network generator_network(const DetectorOptions& options, int inputs, int outputs);

}  // namespace cugad
