#pragma once

#include "cugad/detector.hpp"
#include "cugad/network.hpp"
#include "host/backend/arena.hpp"

namespace cugad {

/// Parameters of one network and all that its optimiser keeps, flat, for some models.
struct NetworkState {
  StackView<float> parameter, first_moment, second_moment, average;
  NetworkState slice(std::int64_t first, std::int64_t count) const {
    return {parameter.slice_models(first, count), first_moment.slice_models(first, count),
            second_moment.slice_models(first, count), average.slice_models(first, count)};
  }
  /// The weights that score: the moving average where there is one.
  StackView<const float> scoring() const { return average ? average : parameter; }
};

/// What a training step reports; each [models, 1, 1].
struct StepTelemetry {
  StackView<float> real_loss, fake_loss, generator_loss, real_probability, fake_probability, discriminator_norm,
      generator_norm;
};

/// The networks of a GAN on `columns` features, from the options (latent 0 is resolved).
struct GanNetworks {
  Mlp generator, discriminator;
  int latent = 0;
  GanNetworks() = default;
  GanNetworks(const DetectorOptions& options, std::int64_t columns);
};

/// One training step (Goodfellow 2014, Algorithm 1, with the terms of DetectorOptions) for a slice of the population on
/// one context. All memory is taken on construction; a step allocates nothing and waits for nothing.
class GanStep {
 public:
  /// `data` [rows, columns] is shared by all models.
  GanStep(Context context, const DetectorOptions& options, const GanNetworks& networks, MatrixView<const float> data,
          std::int64_t models);
  /// Chooses the models to work on, as many as the step was made for; model m of them draws with key seed + m.
  void bind(std::uint64_t seed, NetworkState generator, NetworkState discriminator, StackView<const float> model_scale,
            StepTelemetry telemetry);

  /// Step t (from 0), whole: k discriminator updates, then one generator update. `report` fills the telemetry.
  void step(std::int64_t t, bool report);

  // The parts, for tests that bring their own batches.
  StackView<float> real() { return stacked_.slice_rows(0, batch()); }
  StackView<float> discriminator_latent() { return latent_; }
  StackView<float> generator_latent() { return generator_latent_; }
  StackView<float> discriminator_gradient() { return discriminator_gradient_; }
  StackView<float> generator_gradient() { return generator_gradient_; }
  void sample_discriminator(std::int64_t t, int inner);
  void update_discriminator(std::int64_t t, int inner, bool report);
  void sample_generator(std::int64_t t);
  void update_generator(std::int64_t t, bool report);
  Context& context() { return context_; }
  /// Generated rows of the last generator update, as drawn before it.
  StackView<const float> generated() const { return generator_buffers_.output.back(); }

 private:
  std::int64_t batch() const { return options_.batch; }
  std::int64_t models() const { return models_; }
  float decayed(float rate, std::int64_t t) const;
  RandomKey key(RandomPurpose purpose, std::uint32_t lane, std::int64_t t) const;

  Context context_;
  DetectorOptions options_;
  GanNetworks networks_;
  MatrixView<const float> data_;
  std::int64_t models_;
  std::uint64_t seed_ = 0;
  NetworkState generator_, discriminator_;
  StackView<const float> model_scale_;
  StepTelemetry telemetry_;
  Arena arena_;
  std::int64_t stacked_parts_;
  StackView<std::int32_t> index_;
  StackView<float> latent_, generator_latent_, stacked_, input_gradient_;
  StackView<float> generator_gradient_, discriminator_gradient_;
  Mlp::Buffers generator_buffers_, discriminator_generator_buffers_, discriminator_buffers_, tangent_buffers_;
};

}  // namespace cugad
