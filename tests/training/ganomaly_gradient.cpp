#include "host/methods/ganomaly.hpp"
#include "tests/training/twinned_step.hpp"

/// GANomaly's gradients with every term of the loss, dropout and R1 against central differences in float64.
namespace cugad::test {
namespace {

using Step = TwinnedStep<GanomalyStep>;

DetectorOptions ganomaly_options() {
  DetectorOptions options = small_options();
  options.method = Method::ganomaly;
  options.encoder_hidden = {8};
  options.dropout = 0.25f;
  options.label_smoothing = 0.1f;
  options.r1 = 0.7f;
  options.r1_every = 3;
  options.adversarial = 2.0f;
  options.contextual = 3.0f;
  options.latent_cycle = 1.5f;
  return options;
}

/// The parameters of the three networks that learn together.
struct Parameters {
  std::vector<double> encoder, generator, second_encoder;
};

double generator_loss(Step& s, const Parameters& p, const std::vector<double>& judge, std::int64_t t) {
  const RandomKey key = s.dropout(0, t);
  const std::int64_t batch = s.options.batch;
  double sum = 0.0;
  for (std::int64_t r = 0; r < batch; ++r) {
    const std::vector<double> x = row_of(s.step.real(), r);
    const std::vector<double> z = s.result(Role::encoder, p.encoder, x);
    const std::vector<double> rebuilt = s.result(Role::generator, p.generator, z);
    const std::vector<double> again = s.result(Role::second_encoder, p.second_encoder, rebuilt);
    const auto of_real = s.trace(Role::discriminator, judge, x, &key, r);
    const auto of_rebuilt = s.trace(Role::discriminator, judge, rebuilt, &key, batch + r);
    sum += s.options.adversarial * mean_square(Step::features(of_real), Step::features(of_rebuilt)) +
           s.options.contextual * mean_distance(x, rebuilt) + s.options.latent_cycle * mean_square(z, again);
  }
  return sum / static_cast<double>(batch);
}

double discriminator_loss(Step& s, const std::vector<double>& judge, std::int64_t t) {
  const RandomKey key = s.dropout(0, t);
  const std::int64_t batch = s.options.batch;
  StackView<float> stacked = s.step.real();
  stacked.rows = 2 * batch;
  double sum = 0.0;
  for (std::int64_t r = 0; r < 2 * batch; ++r) {
    const auto trace = s.trace(Role::discriminator, judge, row_of(stacked, r), &key, r);
    const double logit = trace.output.back()[0];
    sum += 0.5 * (softplus(logit) - (r < batch ? 1.0 - s.options.label_smoothing : 0.0) * logit);
    if (r >= batch || t % s.options.r1_every != 0) continue;
    for (const double g : s.twins.at(Role::discriminator).input_gradient(judge, trace, {1.0}))
      sum += 0.5 * s.options.r1 * s.options.r1_every * g * g;
  }
  return sum / static_cast<double>(batch);
}

TEST(GanomalyGradient, OfAllNetworks) {
  for (const std::int64_t t : {0, 2, 3}) {
    SCOPED_TRACE("step " + std::to_string(t));
    Step s(ganomaly_options());
    const Parameters at{s.parameters(Role::encoder), s.parameters(Role::generator), s.parameters(Role::second_encoder)};
    const std::vector<double> judge = s.parameters(Role::discriminator);
    s.step.sample(t);
    s.step.forward(t);
    s.step.update_generator(t, true);
    s.step.update_discriminator(t, true);
    const auto check = [&](std::vector<double> Parameters::*part, const StackView<float>& found, const char* name) {
      const auto loss = [&](const std::vector<double>& flat) {
        Parameters moved = at;
        moved.*part = flat;
        return generator_loss(s, moved, judge, t);
      };
      expect_near_all(dense(found), central_differences(at.*part, loss), 1e-5, name);
    };
    check(&Parameters::encoder, s.step.encoder_gradient(), "encoder");
    check(&Parameters::generator, s.step.generator_gradient(), "generator");
    check(&Parameters::second_encoder, s.step.second_encoder_gradient(), "second encoder");
    const auto loss = [&](const std::vector<double>& flat) { return discriminator_loss(s, flat, t); };
    expect_near_all(dense(s.step.discriminator_gradient()), central_differences(judge, loss), 1e-5, "discriminator");
    EXPECT_NEAR(s.reports[2], generator_loss(s, at, judge, t), 1e-5 * s.reports[2]);
  }
}

/// What is tested against other rows must come from the rows of the step: whole steps draw minibatches.
TEST(GanomalyGradient, StepsLearnToRebuild) {
  DetectorOptions options = ganomaly_options();
  options.dropout = 0.0f;
  options.encoder_hidden = {16};
  const auto training = trained(options, training_rows());
  EXPECT_EQ(training->telemetry()[0].restorations, 0);
  EXPECT_GT(training->telemetry()[0].generator_gradient, 0.0f);
  EXPECT_LT(training->telemetry()[0].generator_loss, 2.0f) << "it begins near 4";
}

}  // namespace
}  // namespace cugad::test
