#include "tests/common/methods.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/methods/clusters.hpp"

/// A few steps of every method on the device under test, scored by each rule that the method has, against the CPU.
namespace cugad::test {
namespace {

class DeviceMethods : public testing::TestWithParam<const MethodDefinition*> {};

DetectorOptions few_steps(const MethodDefinition& method, ScoreRule score) {
  DetectorOptions options =
      search_options(method.has_encoder && !method.has_prior ? SearchStart::encoder : SearchStart::normal);
  options.method = method.method;
  options.score = score;
  options.encoder_hidden = options.cycle_hidden = {16};
  options.data_branch = options.latent_branch = options.latent_cycle_hidden = {8};
  options.steps = options.encoder_steps = 6;
  options.search_until = {4};
  options.bank_rows = 64;
  return options;
}

std::vector<float> scores_on(const Device& device, const DetectorOptions& options) {
  Detector detector(device, options);
  detector.fit(mixed_rows(120, 1).view());
  return detector.score(mixed_rows(60, 6).view());
}

/// Scores are in units of their spread over the training rows; the few sums whose order is a backend's own differ by
/// roundings, which six steps of Adam cannot make large.
TEST_P(DeviceMethods, ScoreAsOnTheCpu) {
  double worst = 0.0;
  for (const ScoreRule score : GetParam()->scores) {
    SCOPED_TRACE("rule " + std::to_string(static_cast<int>(score)));
    const DetectorOptions options = few_steps(*GetParam(), score);
    const std::vector<float> found = scores_on(test_device(), options),
                             expected = scores_on(Device::open("cpu", 1), options);
    expect_scores(mixed_rows(60, 6).view(), found);
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(std::isnan(found[i]), std::isnan(expected[i])) << i;
      if (std::isnan(found[i])) continue;
      const double difference = std::abs(static_cast<double>(found[i]) - expected[i]);
      worst = std::max(worst, difference);
      EXPECT_LE(difference, 1e-5) << i << ": " << expected[i];
    }
  }
  std::printf("largest difference of a score: %.3g\n", worst);
}

INSTANTIATE_TEST_SUITE_P(Methods, DeviceMethods, testing::ValuesIn(methods_of_any_table()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace cugad::test
