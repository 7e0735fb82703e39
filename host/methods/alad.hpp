#pragma once

#include "host/training/adversarial_step.hpp"

namespace cugad {

/// G, E and the discriminators of pairs (x, z), (x, x') and (z, z').
MethodNetworks alad_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition);

/// One training step of ALAD (Zenati 2018b): k updates of its three discriminators together, then one of G and E, whose
/// gradients are both taken before either changes, on another minibatch with other latents.
class AladStep : public AdversarialStep {
 public:
  AladStep(Context context, const DetectorOptions& options, const MethodNetworks& networks, const TrainingRows& rows,
           std::int64_t models);

  void step(std::int64_t t, bool report) override;
  StackView<const float> generated() const override { return generator_buffers_.result(); }

  // The parts, for tests that bring their own batches.
  StackView<float> real() { return rows_stack_.slice_rows(0, batch()); }
  StackView<float> latent() {
    return latents_.slice_rows(batch(), generated_rows()).slice_columns(0, networks_.latent);
  }
  StackView<float> gradient(Role role) { return gradients_[static_cast<std::size_t>(role)]; }
  const Network::Buffers& buffers(Role role) const { return *buffers_of(role); }
  void sample_discriminators(std::int64_t t, int inner);
  void update_discriminators(std::int64_t t, int inner, bool report);
  void sample_generator(std::int64_t t);
  void update_generator(std::int64_t t, bool report);

 protected:
  void connect() override;

 private:
  std::int64_t generated_rows() const { return latents_.rows - batch(); }
  const Network::Buffers* buffers_of(Role role) const;
  /// First lanes of the dropout of one discriminator: in the step of G and E, and in its own first update.
  struct DropoutLanes {
    std::uint32_t generator, discriminator;
  };
  static DropoutLanes dropout_lanes(Role role);
  void copy_conditions();
  void infer(std::int64_t rows);
  void pair_real();
  Network::Input joint_pairs() const;
  void steer_by_joint(std::int64_t t, bool report);
  void steer_by_cycle(Role role, std::int64_t t, bool report);
  void add_reconstruction();
  void backward_generator_and_encoder();

  StackView<std::int32_t> index_;
  StackView<float> rows_stack_;                                 ///< x, then G(z): whole rows
  StackView<float> latents_;                                    ///< E(x), then z; with the conditions that G takes
  StackView<float> data_pairs_;                                 ///< (x, x), then (x, G(E(x)))
  StackView<float> latent_pairs_;                               ///< (z, z), then (z, E(G(z)))
  StackView<float> rows_gradient_, latents_gradient_;           ///< from D(x, z)
  StackView<float> data_pair_gradient_, latent_pair_gradient_;  ///< of the second halves
  StackView<float> encoder_input_gradient_, generator_input_gradient_, penalty_row_gradient_, penalty_latent_gradient_;
  Network::Buffers generator_buffers_, rebuilt_buffers_, encoder_buffers_, joint_buffers_, cycle_buffers_,
      latent_buffers_, tangent_buffers_;
  std::array<StackView<float>, role_count> gradients_;
};

}  // namespace cugad
