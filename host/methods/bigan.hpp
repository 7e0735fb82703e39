#pragma once

#include <initializer_list>
#include <string_view>

#include "host/methods/gan_networks.hpp"
#include "host/training/adversarial_step.hpp"
#include "host/training/method_definition.hpp"

namespace cugad {

/// What BiganStep reads of the options that not every method has.
inline constexpr std::initializer_list<const char*> bidirectional_options = {
    "generator_loss", "discriminator_steps", "coverage",      "coverage_rows", "negatives",  "encoder_learning_rate",
    "reconstruction", "latent_cycle",        "virtual_batch", "batch_norm",    "judged_pair"};

/// One training step of a bidirectional GAN (Donahue 2017, Dumoulin 2017, Zenati 2018): k updates of D, which separates
/// pairs (x, E(x)) from pairs (G(z), z), then one update of G and E together on another minibatch and another z. E and
/// G have Gaussian outputs (means, then log variances) if they have twice as many outputs: ALI.
class BiganStep : public AdversarialStep {
 public:
  BiganStep(Context context, const DetectorOptions& options, const MethodNetworks& networks, const TrainingRows& rows,
            std::int64_t models);

  void step(std::int64_t t, bool report) override;
  StackView<const float> generated() const override { return generated_rows(trained_).slice_columns(0, columns()); }

  // The parts, for tests that bring their own batches.
  StackView<float> real() { return judged_.rows.slice_rows(0, batch()); }
  StackView<float> discriminator_latent() { return prior(judged_); }
  StackView<float> generator_real() { return trained_.rows.slice_rows(0, batch()); }
  StackView<float> generator_latent() { return prior(trained_); }
  StackView<float> discriminator_gradient() { return discriminator_gradient_; }
  StackView<float> generator_gradient() { return generator_gradient_; }
  StackView<float> encoder_gradient() { return encoder_gradient_; }
  StackView<float> encoder_loss() { return encoder_loss_; }
  void sample_discriminator(std::int64_t t, int inner);
  void update_discriminator(std::int64_t t, int inner, bool report);
  void sample_generator(std::int64_t t);
  void update_generator(std::int64_t t, bool report);

  /// Pairs for D: `encoded` rows with E's latents (real ones first), then generated rows with the latents that they
  /// came from.
  struct Pairs {
    std::int64_t encoded = 0;
    StackView<float> rows, latents;  ///< whole rows; [latent | condition]
    StackView<float> encoder_noise, generator_noise;
    Network::Buffers encoder, generator;
  };
  const Pairs& judged() const { return judged_; }
  const Pairs& trained() const { return trained_; }

 protected:
  void connect() override;

 private:
  bool has_fence() const { return options_.fence > 0.0f; }
  bool has_gaussian_encoder() const { return networks_.encoder().outputs() > networks_.latent; }
  bool has_gaussian_generator() const { return networks_.generator().outputs() > networks_.columns; }
  int columns() const { return networks_.columns; }
  int latent() const { return networks_.latent; }
  static StackView<float> generated_rows(const Pairs& pairs) {
    return pairs.rows.slice_rows(pairs.encoded, pairs.rows.rows - pairs.encoded);
  }
  StackView<float> prior(const Pairs& pairs) const {
    return pairs.latents.slice_rows(pairs.encoded, pairs.rows.rows - pairs.encoded).slice_columns(0, latent());
  }

  void take_pairs(Pairs& pairs, std::int64_t encoded, std::int64_t generated);
  void connect(Pairs& pairs);
  void copy_conditions(const Pairs& pairs);
  void draw(const Pairs& pairs, std::uint32_t lane, std::uint32_t noise_lane, std::int64_t t);
  void make(const Pairs& pairs);
  void backward_sample(const Network::Buffers& buffers, StackView<const float> noise, StackView<const float> gradient);
  void add_adversarial_terms(std::int64_t t, bool report);
  void add_reconstruction();
  void add_latent_cycle();

  Pairs judged_, trained_;
  StackView<std::int32_t> index_;
  StackView<float> generated_gradient_;              ///< of the generated rows, whole rows
  StackView<float> row_gradient_, latent_gradient_;  ///< with respect to a network's input
  StackView<float> generator_gradient_, encoder_gradient_, discriminator_gradient_, encoder_loss_;
  Network::Buffers discriminator_buffers_, tangent_buffers_;
  Network::Buffers rebuilt_buffers_, cycle_buffers_;  ///< of G(E(x)) and E(G(z))
};

/// G, E and a D of pairs on rows whose last `condition` columns are conditions; G and E give so many numbers per
/// column of theirs: 1, or 2 for means and log variances.
MethodNetworks bidirectional_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition,
                                      int outputs_of_generator, int outputs_of_encoder);
MethodNetworks bigan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition);

/// The record of a method whose networks BiganStep trains.
constexpr MethodDefinition bidirectional_definition(Method method, const char* name,
                                                    decltype(MethodDefinition::networks) networks) {
  return {.method = method,
          .name = name,
          .networks = networks,
          .step = make_step<BiganStep>,
          .scores = encoder_scores,
          .options = bidirectional_options,
          .has_encoder = true,
          .judges_pairs = true,
          .takes_images = true};
}

}  // namespace cugad
