#pragma once

#include <functional>
#include <string>
#include <vector>

namespace emulator_test {

/// A kernel with a bug. run() launches it on the emulated device and tells whether the values are those that the kernel
/// without the bug would give.
struct Bug {
  std::string name;
  std::function<bool()> run;
};
std::vector<Bug> planted_bugs();

}  // namespace emulator_test
