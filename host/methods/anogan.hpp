#pragma once

#include "host/methods/anomaly_model.hpp"

namespace cugad {

/// What the GAN alone reads of the options that not every method has.
inline constexpr std::initializer_list<const char*> gan_options = {
    "generator_loss", "discriminator_steps", "negatives", "generator_dropout", "virtual_batch",
    "coverage",       "coverage_rows"};

/// AnoGAN (Schlegl 2017): a GAN of normal rows; a query is scored by how badly the best G(z) explains it, found by the
/// latent search or among a bank of generated rows, and by the discriminator's view. Methods with an encoder search
/// from E(x), too.
class AnoGan : public AnomalyModel {
 public:
  using AnomalyModel::AnomalyModel;
  std::string search_path() const override;
  AbsentForm absent_form() const override;

 protected:
  std::unique_ptr<AnomalyModel> copy() const override { return std::make_unique<AnoGan>(*this); }
  void draw() override;
  void take_memory(std::int64_t rows) override;
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override;
  void explain(MatrixView<const float> rows) override;
  void find_column_residuals(MatrixView<const float> rows) override;
  /// E(x) per model [models, rows, latent]; only methods with an encoder have it.
  virtual StackView<const float> encode(MatrixView<const float> rows);
  /// D's logit per model for rows whose missing cells are filled.
  virtual StackView<const float> judge(StackView<const float> filled);
  /// `rows` with their missing cells filled from reconstruction_, per model.
  StackView<const float> fill_missing(MatrixView<const float> rows);

  /// What searches vary: the generator's inputs.
  std::int64_t search_inputs() const { return networks_.generator().inputs(); }
  /// A Gaussian generator without its log variances; with conditions one that gives whole rows.
  NetworkView generator_view() const {
    if (networks_.condition > 0) return carried_generator_.view(carried_generator_weights_);
    return first_outputs(networks_.generator().trunk().view(weight(Role::generator)), networks_.columns);
  }
  /// The network that gives the first `outputs` of a network's outputs: the first rows of its last weights.
  static NetworkView first_outputs(NetworkView view, int outputs) {
    view.layer[view.layers - 1].out = outputs;
    return view;
  }

  /// The form of a residual that enters the score with that weight.
  AbsentForm sum_over_columns(float weight) const;

  /// A network that gives `outputs` of the network's outputs and then the condition, and its weights in device memory.
  Mlp carry_condition(const char* name, const Mlp& network, StackView<const float> weights, int outputs,
                      StackView<float>& carried);
  /// The conditions of rows, their missing cells filled with 0, into the last columns of latents [models, rows, inputs
  /// of G].
  void give_condition(MatrixView<const float> rows, StackView<float> latents);

  StackView<float> loss_, filled_, reconstruction_;
  Network::Buffers judge_buffers_;

 private:
  bool searches() const { return options_.score == ScoreRule::search; }
  /// Rows of bank_latent_: the bank's latents, or a pool of random search starts.
  std::int64_t latent_rows() const;
  bool needs_bank() const;
  void find_nearest(StackView<const float> query, std::int64_t neighbours);
  void start_search(MatrixView<const float> rows);
  void choose_starts(MatrixView<const float> rows);
  void start_from_encoder(MatrixView<const float> rows);
  void start_from_all_of_the_bank(std::int64_t rows);
  LatentSearch search_arguments(StackView<const float> query, bool with_residuals) const;

  Mlp carried_generator_;
  StackView<float> carried_generator_weights_, no_condition_;
  StackView<float> bank_, bank_latent_, distance_, latent_;
  StackView<std::int32_t> nearest_, start_;
  std::int64_t nearest_count_ = 0;
};

/// Throws Error{invalid_argument} where what is made of the weights when a model is loaded (the bank of generated rows,
/// networks that carry conditions) would be out of all proportion to them, so that a small model file cannot ask for
/// much memory. Up to 256 MiB, and 4,096 times the generator's weights, are allowed.
void check_memory(const DetectorOptions& options, const MethodNetworks& networks);
/// G and D on whole rows, as AnoGAN, GAN and f-AnoGAN have them (f-AnoGAN with an encoder).
MethodNetworks gan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition);
/// An encoder of rows: leaky-ReLU layers, then `outputs` linear (or tanh) units.
Network encoder_network(const DetectorOptions& options, int inputs, int outputs);
/// A discriminator of pairs (x, z): a branch for each, then a trunk with one linear output.
Network joint_discriminator_network(const DetectorOptions& options, int columns, int latent);
/// What the options ask for in a discriminator of rows or pairs.
Techniques discriminator_techniques(const DetectorOptions& options);
/// A generator with `outputs` linear outputs.
Network generator_network(const DetectorOptions& options, int inputs, int outputs);

}  // namespace cugad
