#pragma once

#include <functional>
#include <string>
#include <vector>

namespace emulator_test {

/// A kernel with a bug. run() launches it on the emulated device and returns whether the values are those of the kernel
/// without the bug.
struct Bug {
  std::string name;
  std::function<bool()> run;
};
std::vector<Bug> planted_bugs();

}  // namespace emulator_test
