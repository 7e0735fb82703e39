#pragma once

#include "host/training/gan_step.hpp"

namespace cugad {

/// One training step of f-AnoGAN (Schlegl 2019): a GAN with an encoder. Trained jointly, G and E also minimise
/// reconstruction * mean |x - G(E(x))| + latent_cycle * mean (z - E(G(z)))^2. Otherwise the encoder follows in a second
/// phase, with G and D frozen as they will score: batch normalisation by moving statistics.
class FanoganStep : public GanStep {
 public:
  FanoganStep(Context context, const DetectorOptions& options, const MethodNetworks& networks, const TrainingRows& rows,
              std::int64_t models);

  void step(std::int64_t t, bool report) override;

  // The parts, for tests that bring their own batches.
  StackView<float> encoder_gradient() { return encoder_gradient_; }
  void sample_encoder(std::int64_t t);
  /// Freezes G and D as they are now, for the second phase.
  void freeze();
  /// One update of the second phase, step t of the whole training.
  void update_encoder(std::int64_t t, bool report);

 protected:
  void connect() override;
  void prepare(std::int64_t t) override {
    if (trains_encoder_alone(t)) freeze();
  }
  int kind(std::int64_t t) const override { return trains_encoder_alone(t) ? encoder_kind : GanStep::kind(t); }
  std::int64_t phase_end(std::int64_t t) const override {
    return is_joint() || trains_encoder_alone(t) ? GanStep::phase_end(t) : options_.steps;
  }
  void add_generator_terms(std::int64_t t, bool report) override;
  void add_generator_gradients(std::int64_t t, bool report) override;

 private:
  static constexpr int encoder_kind = 2;
  /// A network that the second phase does not train.
  struct Frozen {
    Role role;
    Network plain;                 ///< where the trained one has moving statistics
    StackView<float> folded = {};  ///< its parameters
  };
  void take_frozen(Frozen& frozen, const char* name);
  const Network& network_of(const Frozen& frozen) const { return frozen.plain ? frozen.plain : networks_[frozen.role]; }
  StackView<const float> weights_of(const Frozen& frozen) const {
    return frozen.folded ? frozen.folded : state(frozen.role).scoring();
  }
  bool is_joint() const { return options_.encoder_training == EncoderTraining::joint; }
  bool trains_encoder_alone(std::int64_t t) const { return !is_joint() && t >= options_.steps; }
  Network::Buffers& rebuilding() { return discriminator_generator_buffers_; }
  StackView<float> rebuilt() { return stacked_.slice_rows(batch(), batch()); }
  void rebuild(const Network& generator, StackView<const float> weights);
  void encoder_backward(StackView<const float> x, StackView<float> dx, bool accumulate);
  void add_latent_cycle(float weight, StackView<float> loss);
  void add_residual(Distance metric, float weight, StackView<float> loss);
  void pull_through_latent(bool report);
  void pull_through_data(bool report);
  void add_feature_residual();
  void report_second_phase();

  StackView<float> encoder_gradient_, latent_gradient_, feature_loss_;
  Frozen generator_{.role = Role::generator, .plain = {}}, judge_{.role = Role::discriminator, .plain = {}};
  Network::Buffers encoder_buffers_;
};

}  // namespace cugad
