#pragma once

#include "kernels/op_table.hpp"

/// Each op file defines its entry for the instruction set that it is being compiled for.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

#define CUGAD_CPU_ENTRY(name, Args) OpEntry<Args> name##_entry();
CUGAD_OPS(CUGAD_CPU_ENTRY)
#undef CUGAD_CPU_ENTRY

OpTable op_table();

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
