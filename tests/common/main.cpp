#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "tests/common/device.hpp"

/// All test programs: gtest's options, and `-b NAME`, the device to test.
int main(int count, char** arguments) {
  testing::InitGoogleTest(&count, arguments);
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "-b") == 0 && i + 1 < count) {
      cugad::test::chosen_device() = arguments[++i];
    } else {
      std::fprintf(stderr, "unknown argument '%s', expected -b DEVICE or an option of gtest\n", arguments[i]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
