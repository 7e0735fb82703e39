#include <cugad/cugad.h>
// The header first, and twice, as C++20.

#include <gtest/gtest.h>

#include <string>

#include "tests/c_api/c11.h"
#include "tests/common/device.hpp"
#include "tests/common/temporary_directory.hpp"

TEST(C11, FitsScoresSavesAndLoads) {
  const cugad::test::TemporaryDirectory directory;
  char message[2048] = "";
  EXPECT_EQ(cugad_c11_round_trip(cugad::test::device_name().c_str(), directory.file("m.safetensors").c_str(), message,
                                 sizeof message),
            0)
      << message;
}

TEST(C11, SeesTheLibrarysVersion) {
  const std::int32_t version = cugad_c11_version();
  EXPECT_EQ(cugad_version(), std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                                 std::to_string(version % 100));
  EXPECT_EQ(cugad_abi_version(), CUGAD_ABI_VERSION);
  EXPECT_EQ(cugad_c11_controls_size(), sizeof(cugad_fit_controls));
}
