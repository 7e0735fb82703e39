#pragma once

#include "host/training/adversarial_step.hpp"

namespace cugad {

/// One training step of GANomaly (Akcay 2018) on dense networks: z = E(x), x' = G(z), z' = E'(x').
///   E, G and E' minimise adversarial * mean (f(x) - f(x'))^2 + contextual * mean |x - x'| + latent_cycle * mean (z -
///   z')^2, f being D's last hidden layer; D minimises half of CE(D(x), 1) + CE(D(x'), 0).
/// D passes over the rows once; its loss is of the outputs before the others' update, as in the authors' code.
class GanomalyStep : public AdversarialStep {
 public:
  GanomalyStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
               const TrainingRows& rows, std::int64_t models);

  void step(std::int64_t t, bool report) override;
  StackView<const float> generated() const override { return generator_buffers_.result(); }

  // The parts, for tests that bring their own batches.
  void sample(std::int64_t t);
  void forward(std::int64_t t);
  void update_generator(std::int64_t t, bool report);
  void update_discriminator(std::int64_t t, bool report);
  StackView<float> real() { return stacked_.slice_rows(0, batch()); }
  StackView<float> rebuilt() { return stacked_.slice_rows(batch(), batch()); }
  StackView<float> latent() { return latent_.slice_columns(0, networks_.latent); }
  StackView<float> second_latent() { return second_encoder_buffers_.result(); }
  StackView<float> encoder_gradient() { return encoder_gradient_; }
  StackView<float> generator_gradient() { return generator_gradient_; }
  StackView<float> second_encoder_gradient() { return second_encoder_gradient_; }
  StackView<float> discriminator_gradient() { return discriminator_gradient_; }
  /// The last step's adversarial, contextual and encoder loss, each with its weight; of a step that reported.
  StackView<float> losses() { return losses_; }

 protected:
  void connect() override;

 private:
  StackView<std::int32_t> index_;
  StackView<float> stacked_;                            ///< real rows, then their reconstructions
  StackView<float> rebuilt_gradient_, input_gradient_;  ///< whole rows
  StackView<float> latent_, latent_gradient_;           ///< [E(x) | condition]
  StackView<float> losses_;
  StackView<float> encoder_gradient_, generator_gradient_, second_encoder_gradient_, discriminator_gradient_;
  Network::Buffers encoder_buffers_, generator_buffers_, second_encoder_buffers_, discriminator_buffers_,
      tangent_buffers_;
};

}  // namespace cugad
