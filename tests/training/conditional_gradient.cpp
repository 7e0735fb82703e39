#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/methods/translation.hpp"
#include "tests/network/population.hpp"
#include "tests/training/small_training.hpp"

/// Steps with conditions against central differences of the whole loss in float64: generated rows have the conditions
/// of real ones, in turn, and G and D see them.
namespace cugad::test {
namespace {

constexpr std::uint32_t generator_lane = 0, discriminator_lane = 1024;
constexpr std::uint32_t generator_noise_lane = 512, discriminator_noise_lane = 2048;
constexpr int conditions = 2;

double softplus(double value) { return std::max(value, 0.0) + std::log1p(std::exp(-std::abs(value))); }

std::vector<double> row_of(const StackView<const float>& view, std::int64_t r) {
  const float* row = view.model(0).row(r);
  return {row, row + view.columns};
}

/// A step of one model with the twins of its networks.
template <class Made>
struct Step {
  explicit Step(const DetectorOptions& options_)
      : options(options_),
        rows(training_rows(40)),
        training(Device::open("cpu", 1), definition_of(options.method), options, {std::as_const(rows).view()},
                 conditions),
        step(Device::open("cpu", 1).make_context(), options, training.networks(), {std::as_const(rows).view()}, 1),
        generator(options.latent + conditions, layers_of(Role::generator)),
        discriminator(static_cast<int>(rows.columns), layers_of(Role::discriminator)) {
    RandomNumbers numbers(6);
    for (const Role role : {Role::generator, Role::discriminator}) {
      const StackView<float> view = training.states()[role].parameter;
      for (std::int64_t i = 0; i < view.columns; ++i) view.data[i] = static_cast<float>(0.5 * numbers.normal());
    }
    step.bind({.seed = options.seed}, training.states(), {&scale, 1, 1, 1}, {});
  }

  std::vector<LayerSpec> layers_of(Role role) const {
    const Mlp& network = training.networks()[role].trunk();
    std::vector<LayerSpec> layers;
    for (int l = 0; l < network.layers(); ++l) layers.push_back(network.layer(l));
    return layers;
  }
  std::vector<double> flat_of(Role role) const {
    const StackView<float> view = training.states()[role].parameter;
    return {view.data, view.data + view.columns};
  }
  RandomKey dropout(std::uint32_t lane, std::int64_t t) const {
    return {
        .seed = options.seed, .purpose = RandomPurpose::dropout, .lane = lane, .step = static_cast<std::uint32_t>(t)};
  }
  /// [G(latent, condition) | condition], the condition of real row r in turn.
  std::vector<double> generated(const std::vector<double>& flat, const StackView<const float>& latent, std::int64_t r,
                                const RandomKey& noise) {
    const std::vector<double> real = row_of(step.real(), r % options.batch);
    std::vector<double> input = options.latent > 0 ? row_of(latent, r) : std::vector<double>();
    input.insert(input.end(), real.end() - conditions, real.end());
    std::vector<double> row = generator.forward(flat, input, &noise, 0, r).output.back();
    row.insert(row.end(), real.end() - conditions, real.end());
    return row;
  }

  DetectorOptions options;
  Matrix rows;
  GanTraining training;
  Made step;
  Twin generator, discriminator;
  float scale = 1.0f;
};

DetectorOptions conditional_options(int latent) {
  DetectorOptions options = small_options();
  options.latent = latent;
  options.dropout = 0.25f;
  options.generator_dropout = 0.25f;
  options.adversarial = 0.7f;
  options.fence = 0.0f;
  options.r1 = 0.0f;
  options.coverage = latent > 0 ? 0.8f : 0.0f;
  options.coverage_rows = 24;
  options.contextual = 2.5f;
  if (latent == 0) options.method = Method::translation;
  return options;
}

template <class Made>
void check_discriminator(const DetectorOptions& options, std::int64_t t) {
  Step<Made> s(options);
  s.step.sample_discriminator(t, 0);
  s.step.update_discriminator(t, 0, false);
  const RandomKey key = s.dropout(discriminator_lane, t), noise = s.dropout(discriminator_noise_lane, t);
  const std::vector<double> maker = s.flat_of(Role::generator);
  // The step has changed D: differences are taken where it was.
  Step<Made> before(options);
  const auto loss = [&](const std::vector<double>& flat) {
    double sum = 0.0;
    for (std::int64_t r = 0; r < options.batch; ++r) {
      const auto logit = [&](const std::vector<double>& row, std::int64_t at) {
        return s.discriminator.forward(flat, row, &key, 0, at).output.back()[0];
      };
      sum += softplus(-logit(row_of(s.step.real(), r), r));
      const StackView<const float> latent = s.step.discriminator_latent();
      sum += softplus(logit(s.generated(maker, latent, r, noise), options.batch + r));
    }
    return sum / static_cast<double>(options.batch);
  };
  expect_near_all(dense(s.step.discriminator_gradient()),
                  central_differences(before.flat_of(Role::discriminator), loss), 5e-6, "discriminator");
}

template <class Made>
void check_generator(const DetectorOptions& options, std::int64_t t) {
  Step<Made> s(options);
  const std::vector<double> parameters = s.flat_of(Role::generator), judge = s.flat_of(Role::discriminator);
  s.step.sample_discriminator(t, 0);
  s.step.sample_generator(t);
  s.step.update_generator(t, false);
  const std::int64_t batch = options.batch, columns = s.rows.columns;
  const RandomKey key = s.dropout(generator_lane, t), noise = s.dropout(generator_noise_lane, t);
  const auto loss = [&](const std::vector<double>& flat) {
    double adversarial = 0.0, coverage = 0.0, difference = 0.0;
    std::vector<std::vector<double>> drawn;
    for (std::int64_t r = 0; r < s.step.generated().rows; ++r) {
      drawn.push_back(s.generated(flat, s.step.generator_latent(), r, noise));
      if (r >= batch) continue;
      adversarial += softplus(-s.discriminator.forward(judge, drawn.back(), &key, 0, r).output.back()[0]);
      const std::vector<double> real = row_of(s.step.real(), r);
      for (std::int64_t c = 0; c < columns - conditions; ++c) difference += std::abs(drawn.back()[c] - real[c]);
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
    const double translation = options.method == Method::translation
                                   ? options.contextual * difference / static_cast<double>(columns - conditions)
                                   : 0.0;
    return (options.adversarial * adversarial + options.coverage * coverage / static_cast<double>(columns) +
            translation) /
           static_cast<double>(batch);
  };
  expect_near_all(dense(s.step.generator_gradient()), central_differences(parameters, loss), 5e-6, "generator");
}

TEST(ConditionalGradient, OfTheDiscriminator) { check_discriminator<GanStep>(conditional_options(3), 2); }
TEST(ConditionalGradient, OfTheGenerator) { check_generator<GanStep>(conditional_options(3), 2); }
TEST(ConditionalGradient, OfTranslationsDiscriminator) {
  check_discriminator<TranslationStep>(conditional_options(0), 2);
}
TEST(ConditionalGradient, OfTranslationsGenerator) { check_generator<TranslationStep>(conditional_options(0), 2); }

}  // namespace
}  // namespace cugad::test
