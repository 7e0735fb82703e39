#pragma once

#include "tests/emulator/runtime/group.hpp"

namespace emulator {

/// Operands of the 32 lanes of a warp; null for lanes that the mask does not name.
using WarpOperands = std::array<void*, 32>;

/// Synchronises exactly the lanes in `mask`, runs `combine` once, and resumes them. `operands` may lie
/// on the lane's own stack.
void meet(unsigned mask, const char* name, Site site, void* operands,
          void (*combine)(const WarpOperands&, unsigned mask));

}  // namespace emulator
