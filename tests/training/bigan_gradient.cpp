#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/methods/bigan.hpp"
#include "tests/network/joint_twin.hpp"
#include "tests/network/population.hpp"
#include "tests/training/small_training.hpp"

/// The gradients of a bidirectional step with every term of its losses against central differences of the whole losses
/// in float64: BiGAN, and ALI with its Gaussian encoder and generator.
namespace cugad::test {
namespace {

constexpr std::uint32_t generator_lane = 0, discriminator_lane = 1024, lanes_per_pass = 16;
constexpr int columns = 5, latent = 3;

double softplus(double value) { return std::max(value, 0.0) + std::log1p(std::exp(-std::abs(value))); }

DetectorOptions bigan_options(Method method) {
  DetectorOptions options = small_options();
  options.method = method;
  options.latent = latent;
  options.hidden = {7};
  options.encoder_hidden = {6};
  options.data_branch = {6, 5};
  options.latent_branch = {4};
  options.discriminator_hidden = {7};
  options.dropout = 0.25f;
  options.batch = 6;
  return options;
}

std::vector<double> row_of(const StackView<float>& view, std::int64_t r) {
  const float* row = view.model(0).row(r);
  return {row, row + view.columns};
}

/// A BiganStep of one model with its memory, and the twins of its networks.
struct Step {
  explicit Step(const DetectorOptions& options_)
      : options(options_),
        rows(training_rows(40, columns)),
        training(make_cpu_training(options, rows)),
        networks(training->networks()),
        step(Device::open("cpu", 1).make_context(), options, networks, rows.view(), 1),
        generator(networks.generator()),
        encoder(networks.encoder()),
        discriminator(networks.discriminator()) {
    // Biases begin at zero: give each parameter a value of its own.
    RandomNumbers numbers(6);
    for (const Role role : {Role::generator, Role::encoder, Role::discriminator}) {
      const StackView<float>& view = training->states()[role].parameter;
      for (std::int64_t i = 0; i < view.columns; ++i) view.data[i] = static_cast<float>(0.4 * numbers.normal());
    }
    step.bind({.seed = options.seed}, training->states(), {&scale, 1, 1, 1}, {});
  }
  std::vector<double> flat_of(Role role) const {
    const StackView<float>& view = training->states()[role].parameter;
    return {view.data, view.data + view.columns};
  }
  RandomKey dropout(std::uint32_t lane, std::int64_t t) const {
    return {
        .seed = options.seed, .purpose = RandomPurpose::dropout, .lane = lane, .step = static_cast<std::uint32_t>(t)};
  }

  DetectorOptions options;
  Matrix rows;
  std::shared_ptr<GanTraining> training;
  const MethodNetworks& networks;
  BiganStep step;
  JointTwin generator, encoder, discriminator;
  float scale = 1.0f;
};

/// mean + exp(log variance / 2) * noise of a network's output; the output itself where it has no variances.
std::vector<double> drawn(std::vector<double> statistics, std::size_t size, const StackView<float>& noise,
                          std::int64_t r) {
  if (statistics.size() > size) {
    for (std::size_t i = 0; i < size; ++i)
      statistics[i] += std::exp(std::clamp(statistics[size + i], -10.0, 10.0) / 2.0) *
                       noise.model(0).row(r)[static_cast<std::int64_t>(i)];
    statistics.resize(size);
  }
  return statistics;
}
std::vector<double> means(std::vector<double> statistics, std::size_t size) {
  statistics.resize(size);
  return statistics;
}

void check_discriminator(const DetectorOptions& options, std::int64_t t) {
  Step s(options);
  const std::vector<double> parameters = s.flat_of(Role::discriminator);
  s.step.sample_discriminator(t, 1);
  s.step.update_discriminator(t, 1, false);
  const BiganStep::Pairs& pairs = s.step.judged();
  const RandomKey key = s.dropout(discriminator_lane + lanes_per_pass, t);
  const bool penalised = t % options.r1_every == 0;
  const std::int64_t batch = options.batch;
  ASSERT_EQ(pairs.rows.rows, 3 * batch);
  const auto loss = [&](const std::vector<double>& flat) {
    double sum = 0.0;
    for (std::int64_t r = 0; r < 3 * batch; ++r) {
      const auto trace =
          s.discriminator.forward(flat, row_of(pairs.rows, r), means(row_of(pairs.latents, r), latent), &key, r);
      const double logit = trace.result()[0];
      if (r < batch) {
        sum += softplus(logit) - (1.0 - options.label_smoothing) * logit;
        if (penalised)
          for (const double g : s.discriminator.input_gradient(flat, trace))
            sum += 0.5 * options.r1 * options.r1_every * g * g;
      } else {
        sum += (r < 2 * batch ? options.fence : 1.0) / (1.0 + options.fence) * softplus(logit);
      }
    }
    return sum / static_cast<double>(batch);
  };
  expect_near_all(dense(s.step.discriminator_gradient()), central_differences(parameters, loss), 5e-6,
                  "discriminator, step " + std::to_string(t));
}

TEST(BiganGradient, OfTheDiscriminator) {
  for (const Method method : {Method::bigan, Method::ali}) {
    DetectorOptions options = bigan_options(method);
    options.label_smoothing = 0.1f;
    options.r1 = 0.7f;
    options.r1_every = 3;
    options.fence = 0.4f;
    options.discriminator_steps = 2;
    for (const std::int64_t t : {0, 1, 3}) check_discriminator(options, t);
  }
}

/// The losses of G and E for given parameters of both, from the step's own draws.
struct Losses {
  double generator = 0.0, encoder = 0.0;
};
Losses losses_of(Step& s, const std::vector<double>& generator, const std::vector<double>& encoder,
                 const std::vector<double>& judge, const std::vector<std::vector<double>>& latents, std::int64_t t) {
  const DetectorOptions& options = s.options;
  const BiganStep::Pairs& pairs = s.step.trained();
  const RandomKey key = s.dropout(generator_lane, t);
  const std::int64_t batch = options.batch;
  const auto n = static_cast<double>(batch);
  double of_generator = 0.0, of_encoder = 0.0, common = 0.0;
  std::vector<std::vector<double>> made;
  std::vector<double> real_features, made_features;
  const auto judged = [&](const std::vector<double>& x, const std::vector<double>& z, std::int64_t r) {
    return s.discriminator.forward(judge, x, z, &key, r);
  };
  const auto add_features = [&](const JointTwin::Trace& trace, std::vector<double>& sum) {
    const std::vector<double>& features = trace.features();
    sum.resize(features.size());
    for (std::size_t i = 0; i < features.size(); ++i) sum[i] += features[i] / n;
  };
  const bool minimax = options.generator_loss == GeneratorLoss::minimax;
  for (std::int64_t r = 0; r < static_cast<std::int64_t>(latents.size()); ++r) {
    const auto& z = latents[static_cast<std::size_t>(r)];
    made.push_back(
        drawn(s.generator.forward(generator, z, {}, nullptr, r).result(), columns, pairs.generator_noise, r));
    if (r >= batch) continue;
    const auto fake = judged(made.back(), z, batch + r);
    const double logit = fake.result()[0];
    of_generator += (minimax ? -softplus(logit) : softplus(-logit)) / n;
    add_features(fake, made_features);
    const std::vector<double> again = means(s.encoder.forward(encoder, made.back(), {}, nullptr, r).result(), latent);
    for (std::size_t i = 0; i < z.size(); ++i)
      common += options.latent_cycle * std::pow(again[i] - z[i], 2.0) / (n * latent);
  }
  double coverage = 0.0;
  for (std::int64_t r = 0; r < batch; ++r) {
    const std::vector<double> x = row_of(pairs.rows, r), said = s.encoder.forward(encoder, x, {}, nullptr, r).result();
    const auto real = judged(x, drawn(said, latent, pairs.encoder_noise, r), r);
    const double logit = real.result()[0];
    of_encoder += (minimax ? -softplus(-logit) : softplus(logit)) / n;
    add_features(real, real_features);
    const std::vector<double> rebuilt =
        means(s.generator.forward(generator, means(said, latent), {}, nullptr, r).result(), columns);
    for (std::size_t c = 0; c < rebuilt.size(); ++c)
      common += options.reconstruction * std::abs(x[c] - rebuilt[c]) / (n * columns);
    double nearest = std::numeric_limits<double>::infinity();
    for (const std::vector<double>& row : made) {
      double distance = 0.0;
      for (std::size_t c = 0; c < row.size(); ++c) distance += (x[c] - row[c]) * (x[c] - row[c]);
      nearest = std::min(nearest, distance);
    }
    coverage += options.coverage * nearest / (n * columns);
  }
  if (options.generator_loss == GeneratorLoss::feature_matching) {
    of_generator = of_encoder = 0.0;
    for (std::size_t i = 0; i < real_features.size(); ++i)
      of_generator += std::pow(real_features[i] - made_features[i], 2.0);
    of_encoder = of_generator;
  }
  return {options.adversarial * of_generator + common + coverage, options.adversarial * of_encoder + common};
}

void check_generator(const DetectorOptions& options, std::int64_t t) {
  Step s(options);
  const std::vector<double> generator = s.flat_of(Role::generator), encoder = s.flat_of(Role::encoder),
                            judge = s.flat_of(Role::discriminator);
  s.step.sample_generator(t);
  std::vector<std::vector<double>> latents;
  for (std::int64_t r = 0; r < s.step.generator_latent().rows; ++r)
    latents.push_back(row_of(s.step.generator_latent(), r));
  ASSERT_EQ(latents.size(), static_cast<std::size_t>(std::max(options.coverage_rows, options.batch)));
  s.step.update_generator(t, false);
  const std::string name = options.method == Method::ali ? "ali" : "bigan";
  expect_near_all(
      dense(s.step.generator_gradient()),
      central_differences(generator,
                          [&](const auto& flat) { return losses_of(s, flat, encoder, judge, latents, t).generator; }),
      5e-6, name + ", generator");
  expect_near_all(
      dense(s.step.encoder_gradient()),
      central_differences(encoder,
                          [&](const auto& flat) { return losses_of(s, generator, flat, judge, latents, t).encoder; }),
      5e-6, name + ", encoder");
}

TEST(BiganGradient, OfGeneratorAndEncoder) {
  for (const Method method : {Method::bigan, Method::ali})
    for (const GeneratorLoss loss :
         {GeneratorLoss::non_saturating, GeneratorLoss::minimax, GeneratorLoss::feature_matching}) {
      DetectorOptions options = bigan_options(method);
      options.generator_loss = loss;
      options.adversarial = 0.6f;
      options.coverage = 0.8f;
      options.coverage_rows = loss == GeneratorLoss::minimax ? 1 : 10;
      options.reconstruction = 1.5f;
      options.latent_cycle = 0.7f;
      check_generator(options, 2);
    }
}

/// Each term alone, so that none hides behind another.
TEST(BiganGradient, OfEachTermAlone) {
  for (const Method method : {Method::bigan, Method::ali})
    for (int term = 0; term < 3; ++term) {
      DetectorOptions options = bigan_options(method);
      options.adversarial = term == 0 ? 1.0f : 0.0f;
      options.coverage = 0.0f;
      options.coverage_rows = options.batch;
      options.reconstruction = term == 1 ? 1.0f : 0.0f;
      options.latent_cycle = term == 2 ? 1.0f : 0.0f;
      check_generator(options, 1);
    }
}

}  // namespace
}  // namespace cugad::test
