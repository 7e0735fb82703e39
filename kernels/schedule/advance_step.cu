#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/schedule/decay.hpp"

/// One thread: the op exists so that a captured training step needs nothing from the host between its replays.
namespace cugad::cuda {
namespace {

__global__ void advance_step_kernel(AdvanceStep args) {
  device::wait_for_earlier_work();
  const std::uint32_t step = *args.step_counter + 1;
  *args.step_counter = step;
  if (args.rate_scale != nullptr) *args.rate_scale = decayed_rate(args.final_rate, args.decay_steps, step);
}

void run_advance_step(Context& context, const AdvanceStep& args) {
  device::launch(context.stream(), "advance_step", {.grid = {1, 1, 1}, .block = {1, 1, 1}, .waits = true},
                 advance_step_kernel, args);
}

}  // namespace

OpEntry<AdvanceStep> advance_step_entry() {
  return {run_advance_step, [](const Context&, const AdvanceStep&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
