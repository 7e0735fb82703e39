#include "host/methods/fanogan.hpp"
#include "tests/training/twinned_step.hpp"

/// f-AnoGAN's gradients, trained jointly and in the second phase, against central differences in float64.
namespace cugad::test {
namespace {

using Step = TwinnedStep<FanoganStep>;

DetectorOptions fanogan_options(EncoderTraining training) {
  DetectorOptions options = small_options();
  options.method = Method::fanogan;
  options.encoder_hidden = {8};
  options.encoder_training = training;
  options.dropout = 0.0f;
  options.fence = 0.0f;
  options.reconstruction = 3.0f;
  options.latent_cycle = 1.5f;
  options.kappa = 0.6f;
  options.steps = 200;
  options.encoder_steps = 100;
  return options;
}

/// D's view and the coverage of G's rows have tests of their own: here their weight is 0.
double joint_loss(Step& s, const std::vector<double>& encoder, const std::vector<double>& generator) {
  double sum = 0.0;
  for (std::int64_t r = 0; r < s.options.batch; ++r) {
    const std::vector<double> x = row_of(s.step.real(), r), z = row_of(s.step.generator_latent(), r);
    const std::vector<double> rebuilt = s.result(Role::generator, generator, s.result(Role::encoder, encoder, x));
    const std::vector<double> again = s.result(Role::encoder, encoder, s.result(Role::generator, generator, z));
    sum += s.options.reconstruction * mean_distance(x, rebuilt) + s.options.latent_cycle * mean_square(z, again);
  }
  return sum / static_cast<double>(s.options.batch);
}

TEST(FanoganGradient, JointlyWithTheGan) {
  for (const bool tanh : {false, true}) {
    DetectorOptions options = fanogan_options(EncoderTraining::joint);
    options.adversarial = options.coverage = 0.0f;
    options.encoder_tanh = tanh;
    Step s(options);
    const std::vector<double> encoder = s.parameters(Role::encoder), generator = s.parameters(Role::generator);
    s.step.sample_discriminator(3, 0);
    s.step.sample_generator(3);
    s.step.update_generator(3, false);
    const auto of_encoder = [&](const std::vector<double>& flat) { return joint_loss(s, flat, generator); };
    const auto of_generator = [&](const std::vector<double>& flat) { return joint_loss(s, encoder, flat); };
    expect_near_all(dense(s.step.encoder_gradient()), central_differences(encoder, of_encoder), 1e-5, "encoder");
    expect_near_all(dense(s.step.generator_gradient()), central_differences(generator, of_generator), 1e-5,
                    "generator");
  }
}

/// All terms on at once: G's gradient is the sum of theirs.
TEST(FanoganGradient, TermsAddUp) {
  const auto gradient = [](float adversarial, float cycles) {
    DetectorOptions options = fanogan_options(EncoderTraining::joint);
    options.coverage = 0.0f;
    options.adversarial = adversarial;
    options.reconstruction = options.latent_cycle = cycles;
    Step s(options);
    s.step.sample_discriminator(3, 0);
    s.step.sample_generator(3);
    s.step.update_generator(3, false);
    return dense(s.step.generator_gradient());
  };
  const std::vector<float> one = gradient(1.0f, 0.0f), other = gradient(0.0f, 2.0f);
  std::vector<double> sum(one.begin(), one.end());
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += double{other[i]};
  expect_near_all(gradient(1.0f, 2.0f), sum, 1e-6, "generator");
}

double alone_loss(Step& s, const std::vector<double>& encoder) {
  const std::vector<double> generator = s.scoring(Role::generator), judge = s.scoring(Role::discriminator);
  double sum = 0.0;
  for (std::int64_t r = 0; r < s.options.batch; ++r) {
    if (s.options.encoder_training == EncoderTraining::ziz) {
      const std::vector<double> z = row_of(s.step.generator_latent(), r);
      sum += mean_square(z, s.result(Role::encoder, encoder, s.result(Role::generator, generator, z)));
      continue;
    }
    const std::vector<double> x = row_of(s.step.real(), r);
    const std::vector<double> rebuilt = s.result(Role::generator, generator, s.result(Role::encoder, encoder, x));
    sum += mean_square(x, rebuilt);
    if (s.options.encoder_training != EncoderTraining::izi_f) continue;
    sum += s.options.kappa * mean_square(Step::features(s.trace(Role::discriminator, judge, x)),
                                         Step::features(s.trace(Role::discriminator, judge, rebuilt)));
  }
  return sum / static_cast<double>(s.options.batch);
}

TEST(FanoganGradient, OfTheEncoderAlone) {
  for (const EncoderTraining training : {EncoderTraining::izi, EncoderTraining::ziz, EncoderTraining::izi_f})
    for (const float average_decay : {0.0f, 0.9f}) {
      SCOPED_TRACE(static_cast<int>(training));
      DetectorOptions options = fanogan_options(training);
      options.dropout = 0.25f;  // D runs as it scores
      options.average_decay = average_decay;
      Step s(options);
      const std::vector<double> encoder = s.parameters(Role::encoder);
      const std::int64_t t = options.steps + 7;
      s.step.sample_encoder(t);
      s.step.update_encoder(t, true);
      const auto loss = [&](const std::vector<double>& flat) { return alone_loss(s, flat); };
      expect_near_all(dense(s.step.encoder_gradient()), central_differences(encoder, loss), 1e-5, "encoder");
      EXPECT_NEAR(s.reports[2], alone_loss(s, encoder), 1e-5 * alone_loss(s, encoder));
      EXPECT_EQ(s.reports[0], 0.0f);
    }
}

/// Adam counts the encoder's updates from the beginning of its phase, and its rate is constant.
TEST(FanoganGradient, TheEncoderBeginsWithAFullStep) {
  DetectorOptions options = fanogan_options(EncoderTraining::izi);
  options.final_rate = 0.01f;
  options.decay_steps = options.steps;
  Step s(options);
  const std::vector<double> before = s.parameters(Role::encoder);
  s.step.step(options.steps, false);
  const std::vector<double> after = s.parameters(Role::encoder);
  double largest = 0.0;
  for (std::size_t i = 0; i < before.size(); ++i) largest = std::max(largest, std::abs(after[i] - before[i]));
  EXPECT_NEAR(largest, options.encoder_learning_rate, 0.01 * options.encoder_learning_rate);
}

/// G and D are those of a training without a second phase; the encoder changes in the second alone.
TEST(FanoganTraining, TheSecondPhaseMovesTheEncoderAlone) {
  const Matrix rows = training_rows();
  DetectorOptions options = fanogan_options(EncoderTraining::izi_f);
  const auto whole = trained(options, rows);
  EXPECT_EQ(whole->steps(), 300);
  EXPECT_EQ(whole->step(), 300);
  DetectorOptions gan = options;
  gan.method = Method::anogan;
  const auto first_phase = trained(gan, rows);
  for (const Role role : {Role::generator, Role::discriminator})
    EXPECT_TRUE(same_bits(network_of(*whole, role), network_of(*first_phase, role)));
  EXPECT_FALSE(same_bits(network_of(*whole, Role::encoder), network_of(*make_training(options, rows), Role::encoder)));
  options.encoder_steps = 0;
  EXPECT_EQ(make_training(options, rows)->steps(), 400) << "as many as the GAN's";
}

/// Phases need not end where the guard looks.
TEST(FanoganTraining, PhasesMayEndBetweenChecks) {
  const Matrix rows = training_rows();
  DetectorOptions options = fanogan_options(EncoderTraining::izi);
  options.steps = 130;
  options.encoder_steps = 90;
  std::vector<std::int64_t> seen;
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) { seen.push_back(progress.step); };
  trained(options, rows, 1, control);
  EXPECT_EQ(seen, (std::vector<std::int64_t>{100, 130, 200, 220}));
}

/// Models that rest because they cover the rows train their encoders; those that the guard gave up do not.
TEST(FanoganTraining, RestingModelsWakeForTheirEncoders) {
  const Matrix rows = training_rows();
  DetectorOptions options = fanogan_options(EncoderTraining::izi);
  options.population = 2;
  options.steps = 4000;
  options.patience = 1;
  options.learning_rate = options.discriminator_learning_rate = 1e-7f;  // no gain in sight
  const auto training = make_training(options, rows);
  const std::vector<float> before = network_of(*training, Role::encoder, 1);
  std::vector<std::int64_t> seen;
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) { seen.push_back(progress.step); };
  training->run(control);
  EXPECT_FALSE(training->health()[1].resting);
  EXPECT_FALSE(same_bits(before, network_of(*training, Role::encoder, 1)));
  EXPECT_LE(seen.size(), 20u) << "a GAN at rest is not trained on";
  EXPECT_EQ(seen.back(), 4100);
}

/// A checkpoint of the second phase knows where it began.
TEST(FanoganTraining, IsResumedInEitherPhase) {
  DetectorOptions options = fanogan_options(EncoderTraining::izi_f);
  options.steps = 150;
  expect_resumable(options, training_rows(), {100, 150, 200});
}

TEST(FanoganTraining, AWassersteinGanAndItsEncoderLearn) {
  DetectorOptions options = fanogan_options(EncoderTraining::izi_f);
  options.generator_loss = GeneratorLoss::wasserstein;
  options.coverage = 0.0f;
  options.discriminator_steps = 5;
  options.hidden = options.discriminator_hidden = options.encoder_hidden = {32, 32};
  options.beta1 = 0.0f;
  options.beta2 = 0.9f;
  options.steps = options.encoder_steps = 400;
  options.encoder_learning_rate = 2e-3f;
  const auto training = trained(options, training_rows());
  EXPECT_EQ(training->telemetry()[0].restorations, 0);
  EXPECT_LT(training->telemetry()[0].generator_loss, 0.5f) << "the rows have a variance of 1.09";
}

}  // namespace
}  // namespace cugad::test
