#include <cstdlib>
#include <cstring>

#include "tests/c_api/handles.hpp"

/// Calls while the process ends: handlers that were registered before the library's first use run after it is done.
namespace cugad::test {
namespace {

constexpr int all_worked = 7, some_failed = 8;

void use_once_more() {
  cugad_device* device = nullptr;
  cugad_detector* detector = nullptr;
  const char* text = nullptr;
  bool works = cugad_device_open("cpu", &device) == CUGAD_OK;
  works = works && cugad_detector_create(device, "{\"steps\": 60, \"preset\": \"mnist-dense-recommended\"}",
                                         &detector) == CUGAD_OK;
  works = works && cugad_option_list(&text) == CUGAD_OK && std::strstr(text, "\"false_alarm_rate\"") != nullptr;
  works = works && cugad_preset_list(&text) == CUGAD_OK && std::strstr(text, "\"mnist-dense-recommended\"") != nullptr;
  std::_Exit(works ? all_worked : some_failed);
}

TEST(AtExitDeathTest, CallsWorkAsBefore) {
  // A separate process, before any call.
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        std::atexit(use_once_more);
        cugad_device* device = nullptr;
        cugad_detector* detector = nullptr;
        const char* text = nullptr;
        cugad_device_open("cpu", &device);
        cugad_detector_create(device, "{\"steps\": 60}", &detector);
        cugad_option_list(&text);
        cugad_preset_list(&text);
        std::exit(0);
      },
      testing::ExitedWithCode(all_worked), "");
}

}  // namespace
}  // namespace cugad::test
