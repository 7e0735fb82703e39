#include "tests/training/twinned_step.hpp"

/// Wasserstein critics and feature matching: one training step's gradients against central differences of the whole
/// loss in float64.
namespace cugad::test {
namespace {

using Step = TwinnedStep<GanStep>;

/// The streams of randomness are part of what makes runs reproducible.
constexpr std::uint32_t discriminator_lane = 1024, between_lane = 4096, real_features_lane = 16, lanes_per_pass = 16;
constexpr std::uint32_t interpolation_lane = 128;

DetectorOptions critic_options() {
  DetectorOptions options = small_options();
  options.generator_loss = GeneratorLoss::wasserstein;
  options.discriminator_steps = 2;
  options.fence = 0.4f;
  options.gradient_penalty = 3.0f;
  options.label_smoothing = 0.1f;  // has no part in it, and neither has R1
  return options;
}

/// Step t, inner update 1 of 2.
void check_critic(const DetectorOptions& options, std::int64_t t) {
  Step s(options);
  s.step.sample_discriminator(t, 1);
  const std::vector<double> parameters = s.parameters(Role::discriminator);
  s.step.update_discriminator(t, 1, true);
  const std::int64_t batch = options.batch;
  StackView<float> stacked = s.step.real();
  stacked.rows = 3 * batch;
  const RandomKey key = s.dropout(discriminator_lane + lanes_per_pass, t);
  const RandomKey between_key = s.dropout(between_lane + lanes_per_pass, t);
  RandomKey share{.seed = options.seed, .purpose = RandomPurpose::latent, .lane = interpolation_lane + 1};
  share.step = static_cast<std::uint32_t>(t);
  const Twin& twin = s.twins.at(Role::discriminator);
  const double fence = options.fence / (1.0 + options.fence);
  double real_loss = 0.0, fake_loss = 0.0;
  const auto loss = [&](const std::vector<double>& flat) {
    double penalty = 0.0;
    real_loss = fake_loss = 0.0;
    for (std::int64_t r = 0; r < 3 * batch; ++r) {
      const double logit = twin.forward(flat, row_of(stacked, r), &key, 0, r).output.back()[0];
      if (r < batch) {
        real_loss -= logit;
      } else {
        fake_loss += (r < 2 * batch ? 1.0 - fence : fence) * logit;
      }
    }
    for (std::int64_t r = 0; r < batch; ++r) {
      const double u = (random_word(share, 0, static_cast<std::uint64_t>(r)) >> 8) * 0x1p-24;
      std::vector<double> between = row_of(stacked, r);
      const std::vector<double> generated = row_of(stacked, batch + r);
      for (std::size_t c = 0; c < between.size(); ++c) between[c] = u * between[c] + (1.0 - u) * generated[c];
      double squares = 0.0;
      const auto trace = twin.forward(flat, between, &between_key, 0, r);
      for (const double g : twin.input_gradient(flat, trace, {1.0})) squares += g * g;
      penalty += (std::sqrt(squares) - 1.0) * (std::sqrt(squares) - 1.0);
    }
    return (real_loss + fake_loss + options.gradient_penalty * penalty) / static_cast<double>(batch);
  };
  const StackView<float> found = s.step.discriminator_gradient();
  expect_near_all(dense(found), central_differences(parameters, loss), 1e-5, "critic, step " + std::to_string(t));
  loss(parameters);
  EXPECT_NEAR(s.reports[0], real_loss / static_cast<double>(batch), 1e-5);
  EXPECT_NEAR(s.reports[1], fake_loss / static_cast<double>(batch), 1e-5);
}

TEST(CriticGradient, OfTheCritic) {
  DetectorOptions options = critic_options();
  for (const std::int64_t t : {0, 1, 4}) check_critic(options, t);
  options.dropout = 0.25f;
  check_critic(options, 2);
  options.gradient_penalty = 0.0f;
  check_critic(options, 2);
}

double generator_loss(const Step& s, const std::vector<std::vector<double>>& drawn, const std::vector<double>& judge,
                      std::int64_t t, const StackView<float>& real) {
  const RandomKey key = s.dropout(0, t), real_key = s.dropout(real_features_lane, t);
  const auto batch = static_cast<double>(s.options.batch);
  double sum = 0.0;
  std::vector<double> difference;
  for (std::int64_t r = 0; r < s.options.batch; ++r) {
    const auto of_drawn = s.trace(Role::discriminator, judge, drawn[static_cast<std::size_t>(r)], &key, r);
    const auto of_real = s.trace(Role::discriminator, judge, row_of(real, r), &real_key, r);
    sum -= of_drawn.output.back()[0];
    difference.resize(Step::features(of_real).size());
    for (std::size_t i = 0; i < difference.size(); ++i)
      difference[i] += (Step::features(of_real)[i] - Step::features(of_drawn)[i]) / batch;
  }
  if (s.options.generator_loss == GeneratorLoss::wasserstein) return sum / batch;
  double squares = 0.0;
  for (const double value : difference) squares += value * value;
  return squares;
}

void check_generator(const DetectorOptions& options, std::int64_t t) {
  Step s(options);
  const std::vector<double> parameters = s.parameters(Role::generator), judge = s.parameters(Role::discriminator);
  s.step.sample_discriminator(t, 0);
  s.step.sample_generator(t);
  s.step.update_generator(t, true);
  const auto loss = [&](const std::vector<double>& flat) {
    std::vector<std::vector<double>> drawn;
    for (std::int64_t r = 0; r < options.batch; ++r)
      drawn.push_back(s.result(Role::generator, flat, row_of(s.step.generator_latent(), r)));
    return options.adversarial * generator_loss(s, drawn, judge, t, s.step.real());
  };
  expect_near_all(dense(s.step.generator_gradient()), central_differences(parameters, loss), 1e-5, "generator");
  EXPECT_NEAR(s.reports[2], loss(parameters), 1e-5 * std::abs(loss(parameters)));
}

TEST(CriticGradient, OfTheGenerator) {
  DetectorOptions options = critic_options();
  options.coverage = 0.0f;
  for (const GeneratorLoss loss : {GeneratorLoss::wasserstein, GeneratorLoss::feature_matching})
    for (const float dropout : {0.0f, 0.25f}) {
      options.generator_loss = loss;
      options.dropout = dropout;
      options.adversarial = 0.7f;
      check_generator(options, 3);
    }
}

/// A Wasserstein GAN learns where the rows are.
TEST(CriticGradient, AWassersteinGanCoversTheRows) {
  DetectorOptions options = small_options();
  options.generator_loss = GeneratorLoss::wasserstein;
  options.fence = options.coverage = options.dropout = 0.0f;
  options.discriminator_steps = 5;
  options.hidden = options.discriminator_hidden = {32, 32};
  options.beta1 = 0.0f;
  options.beta2 = 0.9f;
  const auto training = trained(options, training_rows());
  EXPECT_EQ(training->telemetry()[0].restorations, 0);
  EXPECT_LT(std::abs(training->telemetry()[0].discriminator_loss), 1.0f) << "the distance of real and generated rows";
}

}  // namespace
}  // namespace cugad::test
