#pragma once

#include <string>

#include "tests/emulator/runtime/group.hpp"

namespace emulator {

/// Runs all blocks of a launch, spread over the policy's OS threads. Returns the error, if any.
std::string run_launch(const Launch& launch);

}  // namespace emulator
