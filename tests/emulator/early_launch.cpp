#include <gtest/gtest.h>

#include "emulator_control.hpp"
#include "kernels/device/runtime.cuh"
#include "tests/emulator/fixture.hpp"

/// Programmatic dependent launch.
namespace cugad::test {
namespace {

class EarlyLaunch : public emulator_test::Emulated {};

struct Nothing {};
__global__ void hasty_kernel(Nothing) {}
__global__ void patient_kernel(Nothing) { device::wait_for_earlier_work(); }

/// A kernel that is launched early has to wait by itself; only recorded steps launch early, on chips that can.
TEST_F(EarlyLaunch, WaitsInTheKernel) {
  const device::LaunchShape shape{.grid = dim3(2), .block = dim3(32), .waits = true};
  const auto early_after = [&](auto kernel) {
    emulator::clear_calls();
    device::launch(nullptr, "small", shape, kernel, Nothing{});
    device::forget(cudaDeviceSynchronize());
    return emulator::calls()["early kernel"];
  };
  EXPECT_EQ(early_after(hasty_kernel), 0u) << "outside of a recorded step";
  {
    const device::EarlyLaunches early;
    EXPECT_EQ(early_after(patient_kernel), 1u);
  }
  use("forward,deferred,chip=sm_86");
  {
    const device::EarlyLaunches early;
    EXPECT_EQ(early_after(patient_kernel), 0u) << "on a chip that cannot";
  }
  use("forward,deferred");
  EXPECT_EQ(emulator::report(), "");
  const device::EarlyLaunches early;
  early_after(hasty_kernel);
  EXPECT_NE(emulator::report().find("launched early ends without wait_for_earlier_work"), std::string::npos)
      << emulator::report();
}

}  // namespace
}  // namespace cugad::test
