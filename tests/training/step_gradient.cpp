#include <gtest/gtest.h>

#include "tests/training/twinned_step.hpp"

/// One training step's gradients with every term of the loss against central differences of the whole loss in float64:
/// weights of the terms, their means, targets, dropout streams.
namespace cugad::test {
namespace {

/// The streams of dropout are part of what makes runs reproducible.
constexpr std::uint32_t generator_lane = 0, discriminator_lane = 1024, lanes_per_pass = 16;

using Step = TwinnedStep<GanStep>;

/// Step t, inner update 1 of 2: that it draws from its own lanes shows, too.
void check_discriminator(const DetectorOptions& options, std::int64_t t) {
  Step s(options);
  const std::vector<double> parameters = s.parameters(Role::discriminator);
  s.step.sample_discriminator(t, 1);
  s.step.update_discriminator(t, 1, false);
  const std::int64_t batch = options.batch;
  // Real, generated and fence rows lie one after the other.
  StackView<float> stacked = s.step.real();
  stacked.rows = 3 * batch;
  const RandomKey key = s.dropout(discriminator_lane + lanes_per_pass, t);
  const bool penalised = t % options.r1_every == 0;
  const auto loss = [&](const std::vector<double>& flat) {
    double sum = 0.0;
    for (std::int64_t r = 0; r < 3 * batch; ++r) {
      const auto trace = s.trace(Role::discriminator, flat, row_of(stacked, r), &key, r);
      const double logit = trace.output.back()[0];
      if (r < batch) {
        sum += softplus(logit) - (1.0 - options.label_smoothing) * logit;
        if (penalised)
          for (const double g : s.twins.at(Role::discriminator).input_gradient(flat, trace, {1.0}))
            sum += 0.5 * options.r1 * options.r1_every * g * g;
      } else {
        sum += (r < 2 * batch ? 1.0 : options.fence) / (1.0 + options.fence) * softplus(logit);
      }
    }
    return sum / static_cast<double>(batch);
  };
  const StackView<float> found = s.step.discriminator_gradient();
  expect_near_all(dense(found), central_differences(parameters, loss), 5e-6,
                  "discriminator, step " + std::to_string(t));
}

TEST(StepGradient, OfTheDiscriminator) {
  DetectorOptions options = small_options();
  options.dropout = 0.25f;
  options.label_smoothing = 0.1f;
  options.r1 = 0.7f;
  options.r1_every = 3;
  options.fence = 0.4f;
  options.discriminator_steps = 2;
  for (const std::int64_t t : {0, 1, 5, 6}) check_discriminator(options, t);
}

void check_generator(const DetectorOptions& options, std::int64_t t) {
  Step s(options);
  const std::vector<double> parameters = s.parameters(Role::generator);
  const std::vector<double> judge = s.parameters(Role::discriminator);
  s.step.sample_discriminator(t, 0);  // the real rows of the coverage term
  s.step.sample_generator(t);
  s.step.update_generator(t, false);
  const std::int64_t batch = options.batch, generated = std::max(options.coverage_rows, options.batch);
  ASSERT_EQ(s.step.generated().rows, generated);
  const RandomKey key = s.dropout(generator_lane, t);
  const auto loss = [&](const std::vector<double>& flat) {
    double adversarial = 0.0, coverage = 0.0;
    std::vector<std::vector<double>> drawn;
    for (std::int64_t r = 0; r < generated; ++r) {
      const std::vector<double> latent = row_of(s.step.generator_latent(), r);
      drawn.push_back(s.result(Role::generator, flat, latent));
      if (r >= batch) continue;
      const double logit = s.trace(Role::discriminator, judge, drawn.back(), &key, r).output.back()[0];
      adversarial += options.generator_loss == GeneratorLoss::minimax ? -softplus(logit) : softplus(-logit);
    }
    for (std::int64_t r = 0; r < batch; ++r) {
      double nearest = std::numeric_limits<double>::infinity();
      const std::vector<double> real = row_of(s.step.real(), r);
      for (const std::vector<double>& row : drawn) {
        double distance = 0.0;
        for (std::size_t c = 0; c < row.size(); ++c) distance += (real[c] - row[c]) * (real[c] - row[c]);
        nearest = std::min(nearest, distance);
      }
      coverage += nearest;
    }
    return (adversarial + options.coverage * coverage / static_cast<double>(s.rows.columns)) /
           static_cast<double>(batch);
  };
  expect_near_all(dense(s.step.generator_gradient()), central_differences(parameters, loss), 5e-6, "generator");
}

TEST(StepGradient, OfTheGenerator) {
  DetectorOptions options = small_options();
  options.dropout = 0.25f;
  options.coverage = 0.8f;
  for (const GeneratorLoss loss : {GeneratorLoss::non_saturating, GeneratorLoss::minimax})
    for (const int coverage_rows : {1, 16, 24}) {
      options.generator_loss = loss;
      options.coverage_rows = coverage_rows;
      check_generator(options, 2);
    }
}

/// Real rows are a minibatch without replacement that goes on through inner updates and steps: 40 rows, 20 a draw.
TEST(StepGradient, MinibatchesGoThroughTheTable) {
  DetectorOptions options = small_options();
  options.discriminator_steps = 2;
  options.batch = 20;
  Step s(options);
  const auto row_number = [&](const StackView<float>& batch, std::int64_t r) {
    for (std::int64_t i = 0; i < s.rows.rows; ++i)
      if (std::equal(s.rows.row(i), s.rows.row(i) + s.rows.columns, batch.model(0).row(r))) return i;
    return std::int64_t{-1};
  };
  for (std::int64_t t = 0; t < 3; ++t) {
    std::vector<int> seen(40, 0);
    std::vector<std::vector<float>> latents;
    for (const int inner : {0, 1}) {
      s.step.sample_discriminator(t, inner);
      latents.push_back(dense(s.step.discriminator_latent()));
      for (std::int64_t r = 0; r < 20; ++r) {
        const std::int64_t at = row_number(s.step.real(), r);
        ASSERT_GE(at, 0);
        ++seen[static_cast<std::size_t>(at)];
      }
    }
    EXPECT_EQ(seen, std::vector<int>(40, 1)) << "step " << t << " is one pass over the table";
    EXPECT_FALSE(same_bits(latents[0], latents[1]));
  }
}

}  // namespace
}  // namespace cugad::test
