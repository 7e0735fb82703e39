#include <algorithm>

#include "cugad/error.hpp"
#include "host/training/training_step.hpp"

/// Training steps recorded as a whole and replayed (TrainingStep::advance on a device).
namespace cugad {
namespace {

constexpr std::int64_t usual_recorded_steps = 10, most_recorded_steps = 32;

}  // namespace

/// Records steps like first, first + 1, ...: which terms they have, not which numbers.
std::unique_ptr<RecordedWork> TrainingStep::record(std::int64_t first, std::int64_t steps, bool report) {
  Backend& backend = context_.backend();
  const CurrentDevice current(backend);
  const auto issue = [&](std::int64_t count) {
    backend.join(context_, [&] {
      for (std::int64_t t = first; t < first + count; ++t) {
        step(t, report);
        run(context_, AdvanceStep{.step_counter = step_counter_.data,
                                  .rate_scale = rate_scale_.data,
                                  .final_rate = options_.final_rate,
                                  .decay_steps = options_.decay_steps});
      }
    });
  };
  {
    const KernelLoading loading(backend);
    issue(std::min(steps, cycle()));
  }
  backend.begin_recording(context_.stream());
  try {
    issue(steps);
  } catch (...) {
    try {
      backend.end_recording(context_.stream());
    } catch (const Error&) {  // the first error is the one to report
    }
    throw;
  }
  return backend.end_recording(context_.stream());
}

/// The recording of `steps` steps from t on, made if there is none yet.
RecordedWork& TrainingStep::recorded(std::int64_t t, std::int64_t steps, bool report) {
  Recorded& kept = recorded_[kind(t)];
  std::unique_ptr<RecordedWork>& wanted = steps > 1 ? kept.several : kept.one[report];
  if (!wanted) {
    recording_ = true;
    try {
      wanted = record(t, steps, report);
    } catch (...) {
      recording_ = false;
      throw;
    }
    recording_ = false;
  }
  return *wanted;
}

/// Whole cycles of kinds; 0 if even one would be too long a recording.
std::int64_t TrainingStep::cycles_per_recording() const {
  if (cycle() > most_recorded_steps) return 0;
  return std::max<std::int64_t>(1, usual_recorded_steps / cycle());
}

void TrainingStep::replay(std::int64_t from, std::int64_t to, bool report) {
  if (recorded_phase_end_ != phase_end(from) || recorded_scratch_ != context_.scratch_allocations()) {
    recorded_.clear();
    recording_ = true;
    try {
      // A report may need scratch of its own, and so may each kind.
      for (std::int64_t k = 0; k < std::min(cycle(), most_recorded_steps); ++k) {
        context_.plan([&] { step(from + k, true); });
      }
    } catch (...) {
      recording_ = false;
      throw;
    }
    recording_ = false;
    recorded_phase_end_ = phase_end(from);
    recorded_scratch_ = context_.scratch_allocations();
  }
  const auto counter = static_cast<std::uint32_t>(from);
  const float scale = rate_scale(from);
  context_.backend().copy(step_counter_.data, &counter, sizeof counter, context_.stream());
  context_.backend().copy(rate_scale_.data, &scale, sizeof scale, context_.stream());
  const CurrentDevice current(context_.backend());
  const NamedRange range(context_.backend(), "cugad training steps");
  const std::int64_t plain = report ? to - 1 : to, several = cycles_per_recording() * cycle();
  for (std::int64_t t = from; t < to;) {
    // A recorded cycle begins with the kinds.
    if (several > 1 && t % cycle() == 0 && t + several <= plain) {
      recorded(t, several, false).launch(context_.stream());
      t += several;
    } else {
      recorded(t, 1, t >= plain).launch(context_.stream());
      ++t;
    }
  }
}

}  // namespace cugad
