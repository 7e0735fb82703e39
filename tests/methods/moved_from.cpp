#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cugad/error.hpp"
#include "tests/common/device.hpp"
#include "tests/methods/clusters.hpp"
#include "tests/methods/fleet_rows.hpp"

/// What was moved from refuses to work; what it was moved to works as before.
namespace cugad::test {
namespace {

void expect_refused(const std::vector<std::function<void()>>& calls) {
  for (std::size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE(i);
    try {
      calls[i]();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find("moved from"), std::string::npos) << error.what();
    }
  }
}

TEST(MovedFrom, DetectorsRefuseEveryCall) {
  const Matrix rows = normal_rows(200, 1);
  Detector detector = fitted(quick_options(), rows);
  const std::vector<float> expected = detector.score(rows.view());
  Detector other = std::move(detector);
  EXPECT_TRUE(same_bits(other.score(rows.view()), expected));
  std::vector<float> out(expected.size());
  std::vector<Explanation> explanations;
  expect_refused({
      [&] { detector.fit(rows.view()); },
      [&] { detector.score(rows.view()); },
      [&] { detector.score(rows.view(), std::span(out)); },
      [&] { detector.score_methods(rows.view(), out); },
      [&] { detector.explain(rows.view(), 1, explanations); },
      [&] { detector.sample(1, 1, out); },
      [&] { detector.probability(expected, Probability::rank); },
      [&] { detector.confidence(expected); },
      [&] { detector.threshold(); },
      [&] { detector.set_contamination(0.1f); },
      [&] { detector.set_false_alarm_rate(0.1f); },
      [&] { detector.calibration(); },
      [&] { detector.fitted(); },
      [&] { detector.columns(); },
      [&] { detector.column_names(); },
      [&] { detector.options(); },
      [&] { detector.use_stream(nullptr); },
      [&] { detector.synchronize(); },
      [&] { detector.share(); },
      [&] { detector.search_path(); },
      [&] { detector.telemetry(); },
      [&] { detector.attach("a", "b"); },
      [&] { detector.attachment("a"); },
      [&] { detector.save("never"); },
  });
  detector = std::move(other);
  EXPECT_TRUE(same_bits(detector.score(rows.view()), expected));
}

TEST(MovedFrom, FleetsRefuseEveryCall) {
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  const std::vector<std::string>& groups = training.groups;
  Fleet fleet = fitted_fleet(training, quick_options());
  const std::vector<float> expected = fleet.score(training.rows.view(), groups);
  Fleet other = std::move(fleet);
  EXPECT_TRUE(same_bits(other.score(training.rows.view(), groups), expected));
  std::vector<Explanation> explanations;
  expect_refused({
      [&] { fleet.fit(training.rows.view(), groups); },
      [&] { fleet.score(training.rows.view(), groups); },
      [&] { fleet.explain(training.rows.view(), groups, 1, explanations); },
      [&] { fleet.cancel_by(nullptr); },
      [&] { fleet.thresholds(groups); },
      [&] { fleet.set_contamination(0.1f); },
      [&] { fleet.set_false_alarm_rate(0.1f); },
      [&] { fleet.calibration("a"); },
      [&] { fleet.probability(expected, groups, Probability::rank); },
      [&] { fleet.confidence(expected, groups); },
      [&] { fleet.scored(); },
      [&] { fleet.fitted(); },
      [&] { fleet.columns(); },
      [&] { fleet.column_names(); },
      [&] { fleet.options(); },
      [&] { fleet.groups(); },
      [&] { fleet.take_out("a"); },
      [&] { fleet.pooled(); },
      [&] { fleet.attach("a", "b"); },
      [&] { fleet.attachment("a"); },
      [&] { fleet.save("never"); },
  });
  fleet = std::move(other);
  EXPECT_TRUE(same_bits(fleet.score(training.rows.view(), groups), expected));
}

TEST(MovedFrom, DevicesStayWhatTheyAre) {
  Device device = test_device(1);
  const Device other = std::move(device);
  EXPECT_EQ(device.name(), other.name());
}

}  // namespace
}  // namespace cugad::test
