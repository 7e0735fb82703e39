#include "bench/device.hpp"

/// What the memory and the launch path of the device allow. The ceilings of matrix products: cuda/library.cpp for a
/// GPU, peak.cpp for the CPU.
namespace cugad::bench {
namespace {

/// Bytes read and written by one large copy inside the device's memory.
void ceiling_copy(benchmark::State& state) {
  Context context = make_context();
  Arena arena(context);
  const std::int64_t floats = on_gpu() ? std::int64_t{1} << 27 : std::int64_t{1} << 24;
  float* from = arena.take<float>("from", floats);
  float* to = arena.take<float>("to", floats);
  measure(state, context, [&](std::int64_t) {
    context.backend().copy(to, from, sizeof(float) * static_cast<std::size_t>(floats), context.stream());
  });
  count(state, "copies/s", 1, 2.0 * sizeof(float) * static_cast<double>(floats), 0);
}

/// The smallest op, repeated: the fixed cost of an op.
void ceiling_launch(benchmark::State& state) {
  Context context = make_context();
  Arena arena(context);
  const StackView<float> one = arena.stack("one", 1, 1, 4);
  measure(state, context, [&](std::int64_t) { run(context, FillUniform{.out = one, .key = {.seed = 1}}); });
  count(state, "launches/s", 1, 0, 0);
}

}  // namespace

void add_ceilings() {
  add("ceiling_copy", ceiling_copy)->Unit(benchmark::kMillisecond);
  add("ceiling_launch", ceiling_launch)->Unit(benchmark::kMicrosecond);
}

}  // namespace cugad::bench
