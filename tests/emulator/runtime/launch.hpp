#pragma once

#include <string>

#include "tests/emulator/runtime/group.hpp"

namespace emulator {

/// Runs all blocks of a launch, spread over the policy's OS threads. Returns what went wrong, or nothing.
std::string run_launch(const Launch& launch);

}  // namespace emulator
