#include "tests/c_api/ops_c11.h"

#include <gtest/gtest.h>

TEST(C11, CallsOps) {
  cugad_device* device = nullptr;
  ASSERT_EQ(cugad_device_open("cpu", &device), CUGAD_OK) << cugad_last_error();
  const char* const failed = cugad_c11_ops(device);
  EXPECT_EQ(failed, nullptr) << (failed == nullptr ? "" : failed) << ": " << cugad_last_error();
  cugad_device_close(device);
}
