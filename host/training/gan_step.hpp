#pragma once

#include "host/training/adversarial_step.hpp"

namespace cugad {

/// One training step of a GAN (Goodfellow 2014, Algorithm 1, with the terms of DetectorOptions): k discriminator
/// updates, then one generator update; or of a Wasserstein GAN with gradient penalty (Gulrajani 2017), or with feature
/// matching (Salimans 2016). With condition columns (Mirza 2014) both networks see them.
class GanStep : public AdversarialStep {
 public:
  GanStep(Context context, const DetectorOptions& options, const MethodNetworks& networks, const TrainingRows& rows,
          std::int64_t models);

  void step(std::int64_t t, bool report) override;
  StackView<const float> generated() const override { return generator_buffers_.result(); }

  // The parts, for tests that bring their own batches.
  StackView<float> real() { return stacked_.slice_rows(0, batch()); }
  StackView<float> discriminator_latent() { return latent_.slice_columns(0, networks_.latent); }
  StackView<float> generator_latent() { return generator_latent_.slice_columns(0, networks_.latent); }
  StackView<float> discriminator_gradient() { return discriminator_gradient_; }
  StackView<float> generator_gradient() { return generator_gradient_; }
  void sample_discriminator(std::int64_t t, int inner);
  void update_discriminator(std::int64_t t, int inner, bool report);
  void sample_generator(std::int64_t t);
  void update_generator(std::int64_t t, bool report);

 protected:
  void connect() override;
  bool is_critic() const override { return options_.generator_loss == GeneratorLoss::wasserstein; }
  bool penalises_critic() const { return GanStep::is_critic() && options_.gradient_penalty > 0.0f; }
  /// Terms of the generator's loss beyond D's view: called with the generated rows' gradient filled, before G's
  /// backward pass; may add to the gradient.
  virtual void add_generator_terms(std::int64_t, bool) {}
  /// Terms that reach G by other passes: called when generator_gradient_ holds the gradient of the others.
  virtual void add_generator_gradients(std::int64_t, bool) {}
  /// Copies the conditions of the real rows to latents and generated rows.
  void copy_conditions(StackView<float> latent, StackView<float> generated);

  StackView<std::int32_t> index_;
  StackView<float> latent_, generator_latent_;            ///< [latent | condition]
  StackView<float> stacked_;                              ///< real, generated and fence rows
  StackView<float> generated_rows_, generated_gradient_;  ///< of the generator's update, whole rows
  StackView<float> input_gradient_, between_;
  StackView<float> generator_gradient_, discriminator_gradient_;
  Network::Buffers generator_buffers_, discriminator_generator_buffers_, discriminator_buffers_, tangent_buffers_;
  Network::Buffers between_buffers_;

 private:
  void penalise_between(std::int64_t t, int inner);
  void fool_discriminator(std::int64_t t, bool report);
};

}  // namespace cugad
