#include "kernels/cpu/entries.hpp"
#include "kernels/schedule/decay.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_advance_step(Context&, const AdvanceStep& args) {
  const std::uint32_t step = ++*args.step_counter;
  if (args.rate_scale != nullptr) *args.rate_scale = decayed_rate(args.final_rate, args.decay_steps, step);
}

}  // namespace

OpEntry<AdvanceStep> advance_step_entry() {
  return {run_advance_step, [](const Context&, const AdvanceStep&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
