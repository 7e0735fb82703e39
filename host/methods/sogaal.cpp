#include <utility>

#include "host/backend/elementwise.hpp"
#include "host/methods/gan_networks.hpp"
#include "host/training/gan_step.hpp"

/// SO-GAAL (Liu 2019): a GAN whose discriminator trains on alone once G is good, with G's rows as potential outliers,
/// so that it draws its line around the training rows; a row is as anomalous as D finds it unreal.
namespace cugad {
namespace {

/// Phase two is twice as long as phase one, as in the authors' code.
constexpr std::int64_t phases = 3;

class SogaalStep : public GanStep {
 public:
  SogaalStep(Context context, const DetectorOptions& options, const MethodNetworks& networks, const TrainingRows& rows,
             std::int64_t models)
      : GanStep(std::move(context), options, networks, rows, models) {
    options_.decay_steps *= phases;  // or D would hardly learn in phase two
  }

  void step(std::int64_t t, bool report) override {
    if (t < options_.steps) return GanStep::step(t, report);
    for (int inner = 0; inner < options_.discriminator_steps; ++inner) {
      sample_discriminator(t, inner);
      update_discriminator(t, inner, report);
    }
    if (report) report_generator(t);
  }

 protected:
  static constexpr int kinds_of_gan = 2;
  int kind(std::int64_t t) const override { return GanStep::kind(t) + (t < options_.steps ? 0 : kinds_of_gan); }
  std::int64_t phase_end(std::int64_t t) const override {
    return t < options_.steps ? options_.steps : GanStep::phase_end(t);
  }

 private:
  /// G is at rest: it has no loss and no gradient, but the guard takes the spread of its rows.
  void report_generator(std::int64_t t) {
    fill(context_, telemetry_.generator_loss, 0.0f);
    fill(context_, telemetry_.generator_norm, 0.0f);
    sample_generator(t);
    forward_pass(Role::generator, {.x = generator_latent_}, generator_buffers_);
  }
};

}  // namespace

extern constinit const MethodDefinition sogaal_definition{
    .method = Method::sogaal,
    .name = "sogaal",
    .networks = gan_networks,
    .step = make_step<SogaalStep>,
    .scores = {ScoreRule::discriminator, ScoreRule::bank, ScoreRule::search},
    .options = gan_options,
    .steps = [](const DetectorOptions& o) { return phases * o.steps; },
    .stops_by_coverage = true,
};

}  // namespace cugad
