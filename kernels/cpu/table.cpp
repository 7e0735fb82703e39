#include "kernels/cpu/entries.hpp"

#if defined(__AVX512BF16__)
namespace cugad::cpu::avx512 {
OpTable op_table();
}
#endif

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

OpTable op_table() {
#if defined(__AVX512BF16__)  // avx512, with the ops whose products take bfloat16
  OpTable table = avx512::op_table();
  table.dense_forward = dense_forward_entry();
  table.dense_backward = dense_backward_entry();
  table.latent_search = latent_search_entry();
  table.reconstruction_score = reconstruction_score_entry();
#else
  OpTable table;
#define CUGAD_CPU_ENTRY(name, Args) table.name = name##_entry();
  CUGAD_OPS(CUGAD_CPU_ENTRY)
#undef CUGAD_CPU_ENTRY
#endif
  return table;
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
