#include "host/methods/gain.hpp"
#include "tests/training/twinned_step.hpp"

/// The gradients of GAIN's step with every term of the loss and dropout against central differences in float64.
namespace cugad::test {
namespace {

using Step = TwinnedStep<GainStep>;

constexpr std::uint32_t generator_lane = 0, discriminator_lane = 64, judge_lane = 128;

DetectorOptions gain_options() {
  DetectorOptions options = small_options();
  options.method = Method::gain;
  options.dropout = 0.25f;
  options.generator_dropout = 0.2f;
  options.label_smoothing = 0.1f;
  options.adversarial = 0.7f;
  return options;
}

double cross_entropy(double logit, double target) { return softplus(logit) - target * logit; }

/// Which cells of row r are hidden.
std::vector<bool> hidden_cells(const Step& s, std::int64_t r) {
  std::vector<bool> hidden;
  for (const double cell : row_of(s.step.mask(), r)) hidden.push_back(cell != 0.0);
  return hidden;
}

double discriminator_loss(const Step& s, const std::vector<double>& flat, std::int64_t t) {
  const RandomKey key = s.dropout(discriminator_lane, t);
  const std::int64_t batch = s.options.batch;
  const double real_target = 1.0 - s.options.label_smoothing;
  double sum = 0.0;
  for (std::int64_t r = 0; r < batch; ++r) {
    const auto of_real = s.trace(Role::discriminator, flat, row_of(s.step.real(), r), &key, r).output.back();
    const auto of_imputed =
        s.trace(Role::discriminator, flat, row_of(s.step.imputed(), r), &key, batch + r).output.back();
    const std::vector<bool> hidden = hidden_cells(s, r);
    for (std::size_t c = 0; c < hidden.size(); ++c) {
      sum += 0.5 * cross_entropy(of_real[c], real_target) + cross_entropy(of_imputed[c], hidden[c] ? 0.0 : real_target);
    }
  }
  return sum / static_cast<double>(batch * s.step.mask().columns);
}

/// `likelihood` receives the part that the step reports.
double generator_loss(const Step& s, const std::vector<double>& flat, const std::vector<double>& judge, std::int64_t t,
                      double* likelihood = nullptr) {
  const RandomKey key = s.dropout(generator_lane, t), judge_key = s.dropout(judge_lane, t);
  const std::int64_t batch = s.options.batch;
  double unlikely = 0.0, fooled = 0.0;
  for (std::int64_t r = 0; r < batch; ++r) {
    const std::vector<double> statistics =
        s.trace(Role::generator, flat, row_of(s.step.masked(), r), &key, r).output.back();
    const std::vector<double> x = row_of(s.step.real(), r), noise = row_of(s.step.noise(), r);
    const std::vector<bool> hidden = hidden_cells(s, r);
    const auto count = static_cast<double>(std::count(hidden.begin(), hidden.end(), true));
    std::vector<double> imputed = x;
    for (std::size_t c = 0; c < hidden.size(); ++c) {
      if (!hidden[c]) continue;
      const double mean = statistics[c], v = std::clamp(statistics[hidden.size() + c], -7.0, 5.0);
      unlikely += 0.5 * ((mean - x[c]) * (mean - x[c]) * std::exp(-v) + v) / count;
      imputed[c] = mean + std::exp(0.5 * v) * noise[c];
    }
    const auto logit = s.trace(Role::discriminator, judge, imputed, &judge_key, r).output.back();
    for (std::size_t c = 0; c < hidden.size(); ++c) fooled += hidden[c] ? cross_entropy(logit[c], 1.0) / count : 0.0;
  }
  if (likelihood != nullptr) *likelihood = unlikely / static_cast<double>(batch);
  return (unlikely + s.options.adversarial * fooled) / static_cast<double>(batch);
}

TEST(GainGradient, OfBothNetworks) {
  for (const std::int64_t t : {0, 3}) {
    SCOPED_TRACE("step " + std::to_string(t));
    Step s(gain_options());
    const std::vector<double> generator = s.parameters(Role::generator), before = s.parameters(Role::discriminator);
    s.step.sample(t);
    s.step.impute(t);
    s.step.update_discriminator(t, true);
    const auto loss_of_judge = [&](const std::vector<double>& flat) { return discriminator_loss(s, flat, t); };
    expect_near_all(dense(s.step.discriminator_gradient()), central_differences(before, loss_of_judge), 1e-5,
                    "discriminator");
    EXPECT_NEAR(s.reports[0] + s.reports[1], discriminator_loss(s, before, t), 1e-5);
    const std::vector<double> judge = s.parameters(Role::discriminator);
    s.step.update_generator(t, true);
    const auto loss = [&](const std::vector<double>& flat) { return generator_loss(s, flat, judge, t); };
    expect_near_all(dense(s.step.generator_gradient()), central_differences(generator, loss), 1e-5, "generator");
    double likelihood = 0.0;
    generator_loss(s, generator, judge, t, &likelihood);
    EXPECT_NEAR(s.reports[2], likelihood, 1e-5 * (1.0 + std::abs(likelihood)));
  }
}

/// With the weight 0 the discriminator changes nothing about the generator.
TEST(GainGradient, WithoutTheAdversarialTerm) {
  DetectorOptions options = gain_options();
  options.adversarial = 0.0f;
  Step s(options);
  const std::vector<double> generator = s.parameters(Role::generator), judge = s.parameters(Role::discriminator);
  s.step.sample(0);
  s.step.impute(0);
  s.step.update_generator(0, false);
  const auto loss = [&](const std::vector<double>& flat) { return generator_loss(s, flat, judge, 0); };
  expect_near_all(dense(s.step.generator_gradient()), central_differences(generator, loss), 1e-5, "generator");
}

/// Every row of a step hides at least one cell, and what is visible goes through as it is.
TEST(GainStep, DrawsHiddenCellsOnly) {
  Step s(gain_options());
  s.step.sample(1);
  s.step.impute(1);
  for (std::int64_t r = 0; r < s.options.batch; ++r) {
    const std::vector<double> x = row_of(s.step.real(), r), drawn = row_of(s.step.imputed(), r);
    const std::vector<bool> hidden = hidden_cells(s, r);
    EXPECT_GE(std::count(hidden.begin(), hidden.end(), true), 1);
    for (std::size_t c = 0; c < hidden.size(); ++c) EXPECT_EQ(drawn[c] != x[c], hidden[c]) << r << ", " << c;
  }
}

/// Rows of two clusters: hidden cells follow from visible ones, so that their likelihood is far above that of a
/// Gaussian per column, whose loss is near log(1.04) / 2 + 1 / 2.
TEST(GainStep, LearnsWhatColumnsHaveInCommon) {
  DetectorOptions options = gain_options();
  options.dropout = options.generator_dropout = 0.0f;
  options.hidden = {32, 32};
  options.steps = options.decay_steps = 800;
  const auto training = trained(options, training_rows());
  EXPECT_EQ(training->telemetry()[0].restorations, 0);
  EXPECT_LT(training->telemetry()[0].generator_loss, -0.2f);
}

}  // namespace
}  // namespace cugad::test
