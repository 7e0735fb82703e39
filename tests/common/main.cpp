#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "tests/common/device.hpp"

/// All test programs: gtest's options; `-b NAME`, the device to test; `--policy TEXT`, the emulator's policy
/// (tests/emulator/README.md).
int main(int count, char** arguments) {
  testing::InitGoogleTest(&count, arguments);
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "-b") == 0 && i + 1 < count) {
      cugad::test::chosen_device() = arguments[++i];
    } else if (std::strcmp(arguments[i], "--policy") == 0 && i + 1 < count && cugad::test::is_emulated_program()) {
      if (cugad_emulator_set_policy(arguments[++i]) == 0) continue;
      std::fprintf(stderr, "unknown policy '%s', expected one of tests/emulator/README.md\n", arguments[i]);
      return 2;
    } else {
      std::fprintf(
          stderr,
          "unknown argument '%s', expected -b DEVICE, --policy TEXT (with the emulator) or an option of gtest\n",
          arguments[i]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
