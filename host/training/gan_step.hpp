#pragma once

#include <memory>

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
  static constexpr int values = 7;
  StackView<float> real_loss, fake_loss, generator_loss, real_probability, fake_probability, discriminator_norm,
      generator_norm;
  /// From [models, 1, values], in the order of the members.
  static StepTelemetry from(StackView<float> reports) {
    const auto value = [&](int i) {
      return StackView<float>(reports.data + i, reports.models, 1, 1, reports.model_stride, 1);
    };
    return {value(0), value(1), value(2), value(3), value(4), value(5), value(6)};
  }
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
  /// Chooses the models to work on, at most as many as the step was made for; model m of them draws with key seed + m.
  void bind(std::uint64_t seed, NetworkState generator, NetworkState discriminator, StackView<const float> model_scale,
            StepTelemetry telemetry);

  /// Step t (from 0), whole: k discriminator updates, then one generator update. `report` fills the telemetry.
  void step(std::int64_t t, bool report);
  /// Steps [from, to); `report` fills the telemetry in the last one. Where the device can record work, whole steps are
  /// recorded once and replayed: their step counter and rates live on the device, the host only launches.
  void advance(std::int64_t from, std::int64_t to, bool report);

  // The parts, for tests that bring their own batches.
  StackView<float> real() { return work_.stacked.slice_rows(0, batch()); }
  StackView<float> discriminator_latent() { return work_.latent; }
  StackView<float> generator_latent() { return work_.generator_latent; }
  StackView<float> discriminator_gradient() { return work_.discriminator_gradient; }
  StackView<float> generator_gradient() { return work_.generator_gradient; }
  void sample_discriminator(std::int64_t t, int inner);
  void update_discriminator(std::int64_t t, int inner, bool report);
  void sample_generator(std::int64_t t);
  void update_generator(std::int64_t t, bool report);
  Context& context() { return context_; }
  /// Generated rows of the last generator update, as drawn before it.
  StackView<const float> generated() const { return work_.generator_buffers.output.back(); }

 private:
  std::int64_t batch() const { return options_.batch; }
  std::int64_t models() const { return work_.index.models; }
  /// What step t multiplies the learning rates with.
  float rate_scale(std::int64_t t) const;
  /// The key of step t, or of the step that the device counts while recording; `stride` and `offset` say which draw of
  /// that step it is.
  RandomKey key(RandomPurpose purpose, std::uint32_t lane, std::int64_t t, std::uint32_t stride = 1,
                std::uint32_t offset = 0) const;
  Adam adam(const NetworkState& network, StackView<const float> gradient, float rate, std::int64_t t, int stride,
            int offset, StackView<float> norm) const;
  bool is_penalised(std::int64_t t) const;
  std::int64_t steps_per_recording() const;
  std::unique_ptr<RecordedWork> record(std::int64_t first, std::int64_t steps, bool report);
  void record_all();
  void replay(std::int64_t from, std::int64_t to, bool report);

  Context context_;
  DetectorOptions options_;
  GanNetworks networks_;
  MatrixView<const float> data_;
  std::uint64_t seed_ = 0;
  NetworkState generator_, discriminator_;
  StackView<const float> model_scale_;
  StepTelemetry telemetry_;
  Arena arena_;
  std::int64_t stacked_parts_;
  /// The activations, gradients and draws of one step.
  struct Work {
    StackView<std::int32_t> index;
    StackView<float> latent, generator_latent, stacked, input_gradient;
    StackView<float> generator_gradient, discriminator_gradient;
    Mlp::Buffers generator_buffers, discriminator_generator_buffers, discriminator_buffers, tangent_buffers;
    Work of_models(std::int64_t count) const;
  };
  Work all_, work_;  ///< of as many models as there is room for; of those that are bound
  // Recorded steps: several in a row, one, and one that reports; each without and with the gradient penalty.
  bool recording_ = false;
  StackView<std::uint32_t> step_counter_;
  StackView<float> rate_scale_;
  std::unique_ptr<RecordedWork> several_steps_, one_step_[2], reporting_step_[2];
  std::size_t recorded_scratch_ = 0;
};

}  // namespace cugad
