#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "cugad/fleet.hpp"
#include "tests/common/stopped_fit.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/emulator/fixture.hpp"
#include "tests/methods/clusters.hpp"
#include "tests/methods/fleet_rows.hpp"

/// Trainings on several devices of one process.
namespace cugad::test {
namespace {

class SeveralDevices : public emulator_test::Emulated {
 protected:
  static DetectorOptions three_models() {
    DetectorOptions options = quick_options();
    options.steps = 3;
    options.population = 3;
    return options;
  }
  static Device three() { return Device::open("emulated:all"); }
  std::string saved_population(const Device& device, const DetectorOptions& options, const FitControl& control = {}) {
    Detector detector(device, options);
    detector.fit(normal_rows(60, 1).view(), Columns{}, control);
    return saved(detector, directory_.file("model"));
  }
  std::string saved_fleet(const Device& device, const DetectorOptions& options, const FitControl& control = {}) {
    const FleetRows rows = fleet_rows({{"a", 60}, {"b", 55}, {"c", 70}, {"small", 7}}, 1);
    Fleet fleet(device, options);
    fleet.fit(rows.rows.view(), rows.groups, control);
    return saved(fleet, directory_.file("fleet.safetensors"));
  }
  static FitControl watched(std::vector<FitProgress>& told) {
    FitControl control;
    control.on_progress = [&told](const FitProgress& progress) { told.push_back(progress); };
    return control;
  }
  TemporaryDirectory directory_;
};

TEST_F(SeveralDevices, MakeTheFileOfOne) {
  use("forward,immediate,devices=3");
  for (const char* method : {"anogan", "knn,gan"}) {
    SCOPED_TRACE(method);
    DetectorOptions options = three_models();
    set_option(options, "method", method);
    const Device devices = three();
    ASSERT_EQ(devices.others().size(), 2u);
    std::vector<FitProgress> of_one, of_three;
    const std::string one = saved_population(Device::open("emulated"), options, watched(of_one));
    EXPECT_EQ(saved_population(devices, options, watched(of_three)), one);
    for (const Device& other : devices.others()) EXPECT_GT(other.memory().peak_bytes, 0u);
    ASSERT_EQ(of_three.empty(), false);
    EXPECT_EQ(of_three.back().step, of_one.back().step);
    EXPECT_EQ(of_three.back().steps, of_one.back().steps);
    EXPECT_EQ(of_three.back().models.size(), of_one.back().models.size());
    options.population = 1;
    EXPECT_EQ(saved_fleet(devices, options), saved_fleet(Device::open("emulated"), options));
  }
}

/// What a device has no memory for at once, it trains in turns.
TEST_F(SeveralDevices, OfDifferentMemoryMakeTheFileOfOne) {
  use("forward,immediate,devices=3");
  DetectorOptions options = three_models();
  options.population = 9;
  options.batch = 256;
  set_option(options, "method", "gan");
  std::string expected;
  std::size_t needed = 0;
  for (const bool is_bounded : {false, true}) {
    SCOPED_TRACE(is_bounded);
    const Device devices = three();
    const std::size_t most[2] = {needed * 3 / 4, needed / 2};  // room for two models at once, and for one
    for (std::size_t d = 0; d < 2 && is_bounded; ++d) devices.others()[d].limit_memory(most[d]);
    const std::string file = saved_population(devices, options);
    for (std::size_t d = 0; d < 2; ++d) {
      const std::size_t peak = devices.others()[d].memory().peak_bytes;
      if (is_bounded) {
        EXPECT_LE(peak, most[d]);
      } else {
        needed = std::max(needed, peak);
      }
    }
    if (is_bounded) {
      EXPECT_EQ(file, expected);
    }
    expected = file;
  }
}

TEST_F(SeveralDevices, StopAndGoOn) {
  use("forward,immediate,devices=3");
  DetectorOptions options = three_models();
  for (const bool is_fleet : {false, true}) {
    SCOPED_TRACE(is_fleet);
    if (is_fleet) options.population = 1;
    const auto train = [&](const Device& device, const FitControl& control) {
      return is_fleet ? saved_fleet(device, options, control) : saved_population(device, options, control);
    };
    StoppedFit stop(directory_.file(is_fleet ? "fleet" : "population"), 1);
    stop.cancel = !is_fleet;  // before the first step, or after the first part of the fleet
    expect_error(ErrorCode::cancelled, {"stopped"}, [&] { train(three(), stop.control); });
    stop.resume();
    EXPECT_EQ(train(three(), stop.control), train(Device::open("emulated"), {}));
  }
}

/// The failure of one device ends the others' work, and is the one that is told.
TEST_F(SeveralDevices, OneThatFailsEndsAll) {
  use("forward,immediate,devices=3");
  DetectorOptions options = three_models();
  options.steps = 200;
  const Device devices = three();
  devices.others()[1].limit_memory(1024);
  expect_error(ErrorCode::out_of_memory, {"emulated:2"}, [&] { saved_population(devices, options); });
  options.population = 1;
  expect_error(ErrorCode::out_of_memory, {"emulated:2"}, [&] { saved_fleet(devices, options); });
}

TEST_F(SeveralDevices, AreNamedOnceEach) {
  use("forward,immediate,devices=2");
  const Device both = Device::open("emulated:1,emulated:0", 4);
  EXPECT_EQ(both.name(), "emulated:1");
  EXPECT_EQ(both.others().front().name(), "emulated:0");
  EXPECT_EQ(both.with_precision(Precision::bf16).others().front().precision(), Precision::bf16);
  EXPECT_TRUE(both.alone().others().empty());
  EXPECT_EQ(Device::open("emulated:all").others().size(), 1u);
  for (const auto& [names, what] :
       std::vector<std::pair<const char*, const char*>>{{"emulated:0,emulated:0", "emulated:0 is there twice"},
                                                        {"emulated:0,cpu", "by their numbers"},
                                                        {"emulated,emulated:1", "by their numbers"},
                                                        {"emulated:0,", "by their numbers"},
                                                        {"cpu:all", "by their numbers"}}) {
    expect_error(ErrorCode::invalid_argument, {names, what}, [&, list = names] { Device::open(list); });
  }
  expect_error(ErrorCode::unsupported, {"emulated:2"}, [] { Device::open("emulated:0,emulated:2"); });
}

}  // namespace
}  // namespace cugad::test
