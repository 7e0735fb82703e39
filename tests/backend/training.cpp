#include <gtest/gtest.h>

#include <cmath>

#include "host/backend/backend.hpp"
#include "tests/training/small_training.hpp"

/// Training on the device under test against the CPU backend, and the promises that hold on every device.
namespace cugad::test {
namespace {

DetectorOptions fifty_steps() {
  DetectorOptions options = small_options();
  options.steps = 50;
  options.population = 2;
  return options;
}

/// Both backends draw the same numbers and take every product's sum in the same order; what may differ is the rounding
/// of the few sums over rows and losses whose order is a backend's own. Adam passes a difference d of a gradient on as
/// at most about rate * d / |gradient|.
TEST(DeviceTraining, FiftyStepsEqualTheCpu) {
  const Matrix rows = training_rows();
  const auto here = trained(fifty_steps(), rows), there = make_cpu_training(fifty_steps(), rows);
  there->run({});
  for (int m = 0; m < 2; ++m) {
    const std::vector<float> found = state_of(*here, m), expected = state_of(*there, m);
    ASSERT_EQ(found.size(), expected.size());
    double worst = 0.0;
    std::size_t differing = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_TRUE(std::isfinite(found[i]));
      worst = std::max(worst, std::abs(static_cast<double>(found[i]) - expected[i]));
      differing += found[i] != expected[i];
    }
    std::printf("model %d: %zu of %zu numbers differ, by at most %.3g\n", m, differing, found.size(), worst);
    EXPECT_LE(worst, 1e-5);
    const std::vector<float> telemetry = telemetry_of(*here, m), wanted = telemetry_of(*there, m);
    for (std::size_t i = 0; i < telemetry.size(); ++i)
      EXPECT_NEAR(telemetry[i], wanted[i], 1e-4 * std::abs(wanted[i]) + 1e-6) << i;
  }
}

TEST(DeviceTraining, TwoRunsGiveTheSameBits) {
  const Matrix rows = training_rows();
  const auto first = trained(fifty_steps(), rows), second = trained(fifty_steps(), rows);
  for (int m = 0; m < 2; ++m) expect_same_model(*first, m, *second, m);
}

TEST(DeviceTraining, APopulationEqualsItsModelsAlone) {
  const Matrix rows = training_rows(700);
  DetectorOptions options = small_options();
  options.steps = options.decay_steps = 120;
  options.population = 4;
  const auto together = trained(options, rows);
  options.population = 1;
  for (int m = 0; m < 4; ++m) {
    options.seed = small_options().seed + static_cast<std::uint64_t>(m);
    const auto alone = trained(options, rows);
    expect_same_model(*together, m, *alone, 0);
  }
}

/// As many models as the plan promises, in one sequence of launches.
TEST(DeviceTraining, AThousandModelsEqualEachAlone) {
  const Matrix rows = training_rows(20, 3);
  DetectorOptions options = small_options();
  options.latent = 1;
  options.hidden = options.discriminator_hidden = {2};
  options.batch = options.coverage_rows = 3;
  options.steps = options.decay_steps = 2;
  options.population = 1024;
  const auto together = trained(options, rows);
  const bool on_gpu = together->device().backend().runs_models_together();
  EXPECT_EQ(together->models_together(), on_gpu ? 1024 : 1);
  options.population = 1;
  for (const int m : {0, 1, 511, 1023}) {
    options.seed = small_options().seed + static_cast<std::uint64_t>(m);
    expect_same_model(*together, m, *trained(options, rows), 0);
  }
}

}  // namespace
}  // namespace cugad::test
