#include <algorithm>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "host/training/gan_step.hpp"

/// Training steps recorded as a whole and replayed (GanStep::advance on a device).
namespace cugad {
namespace {

constexpr std::int64_t usual_recorded_steps = 10, most_recorded_steps = 32;

}  // namespace

/// Records steps like first, first + 1, ...: which terms they have, not which numbers.
std::unique_ptr<RecordedWork> GanStep::record(std::int64_t first, std::int64_t steps, bool report) {
  Backend& backend = context_.backend();
  const CurrentDevice current(backend);
  backend.begin_recording(context_.stream());
  try {
    for (std::int64_t t = first; t < first + steps; ++t) {
      step(t, report);
      run(context_, AdvanceStep{.step_counter = step_counter_.data,
                                .rate_scale = rate_scale_.data,
                                .final_rate = options_.final_rate,
                                .decay_steps = options_.decay_steps});
    }
  } catch (...) {
    try {
      backend.end_recording(context_.stream());
    } catch (const Error&) {  // the first error is the one to tell
    }
    throw;
  }
  return backend.end_recording(context_.stream());
}

/// Whole cycles of the penalty in one recording, single steps for what is left.
void GanStep::record_all() {
  recording_ = true;
  try {
    context_.plan([&] { step(0, true); });
    if (steps_per_recording() > 0) several_steps_ = record(0, steps_per_recording(), false);
    for (const bool penalised : {false, true}) {
      if (penalised && options_.r1 <= 0.0f) continue;
      if (!penalised && options_.r1 > 0.0f && options_.r1_every == 1) continue;
      const std::int64_t like = penalised ? 0 : 1;
      one_step_[penalised] = record(like, 1, false);
      reporting_step_[penalised] = record(like, 1, true);
    }
  } catch (...) {
    recording_ = false;
    throw;
  }
  recording_ = false;
  recorded_scratch_ = context_.scratch_allocations();
}

/// Whole cycles of the penalty; 0 where even one would be too long a recording.
std::int64_t GanStep::steps_per_recording() const {
  if (options_.r1 <= 0.0f) return usual_recorded_steps;
  if (options_.r1_every > most_recorded_steps) return 0;
  return options_.r1_every * std::max<std::int64_t>(1, usual_recorded_steps / options_.r1_every);
}

void GanStep::replay(std::int64_t from, std::int64_t to, bool report) {
  if (!reporting_step_[is_penalised(from)] || recorded_scratch_ != context_.scratch_allocations()) record_all();
  const auto counter = static_cast<std::uint32_t>(from);
  const float scale = rate_scale(from);
  context_.backend().copy(step_counter_.data, &counter, sizeof counter, context_.stream());
  context_.backend().copy(rate_scale_.data, &scale, sizeof scale, context_.stream());
  const CurrentDevice current(context_.backend());
  const std::int64_t plain = report ? to - 1 : to, several = steps_per_recording();
  for (std::int64_t t = from; t < to;) {
    // A recorded cycle begins where the penalty does.
    const bool starts_cycle = options_.r1 <= 0.0f || is_penalised(t);
    if (several > 0 && starts_cycle && t + several <= plain) {
      several_steps_->launch(context_.stream());
      t += several;
    } else {
      (t < plain ? one_step_ : reporting_step_)[is_penalised(t)]->launch(context_.stream());
      ++t;
    }
  }
}

void GanStep::advance(std::int64_t from, std::int64_t to, bool report) {
  if (context_.backend().runs_models_together()) {
    replay(from, to, report);
  } else {
    for (std::int64_t t = from; t < to; ++t) step(t, report && t + 1 == to);
  }
}

}  // namespace cugad
