#include "kernels/cpu/entries.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

OpTable op_table() {
  OpTable table;
#define CUGAD_CPU_ENTRY(name, Args) table.name = name##_entry();
  CUGAD_OPS(CUGAD_CPU_ENTRY)
#undef CUGAD_CPU_ENTRY
  return table;
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
