#include <cstring>

#include "bench/device.hpp"
#include "cugad/image_shape.hpp"

/// Ops on images that are bound by memory: joined and split channels, mirrored and moved minibatches. All are exact:
/// their results must be those of the CPU backend to the bit.
namespace cugad::bench {
namespace {

constexpr std::int64_t batch = 64;

bool same_bits(Context& context, const StackView<float>& found, const StackView<float>& expected) {
  const std::int64_t cells = found.models * found.rows * found.columns;
  const std::vector<float> result = download(context, found.data, cells);
  return std::memcmp(result.data(), expected.data, sizeof(float) * result.size()) == 0;
}

/// The skip of a U-Net of images of 64 x 64: two halves of 64 channels at 32 x 32 pixels.
void joined_channels(benchmark::State& state, bool backward) {
  const std::int64_t models = state.range(0);
  constexpr std::int32_t pixels = 32 * 32, channels = 64;
  struct Passes {
    JoinChannels join;
    SplitChannels split;
  };
  const auto make = [&](Context& context, Arena& arena) {
    Passes passes;
    passes.join.a = uniform(context, arena, models, batch, pixels * channels, 0, -1.0f);
    passes.join.b = uniform(context, arena, models, batch, pixels * channels, 1, -1.0f);
    passes.join.y = arena.stack("y", models, batch, 2 * pixels * channels);
    passes.join.pixels = pixels;
    passes.join.rectify = true;
    passes.split.dy = passes.join.y;
    passes.split.b = passes.join.b;
    passes.split.da = arena.stack("da", models, batch, pixels * channels);
    passes.split.db = arena.stack("db", models, batch, pixels * channels);
    passes.split.pixels = pixels;
    passes.split.rectify = true;
    return passes;
  };
  Context context = make_context(), cpu = Device::open("cpu", 1).make_context(1);
  Arena arena(context), cpu_arena(cpu);
  const Passes passes = make(context, arena), expected = make(cpu, cpu_arena);
  for (const auto& [on, of] : {std::pair(&context, &passes), std::pair(&cpu, &expected)}) {
    run(*on, FillUniform{.out = of->split.db, .key = {.seed = 7, .lane = 2}});  // the gradient is added to it
    run(*on, of->join);
    run(*on, of->split);
  }
  if (!same_bits(context, passes.join.y, expected.join.y) || !same_bits(context, passes.split.db, expected.split.db))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) {
    if (backward) {
      run(context, passes.split);
    } else {
      run(context, passes.join);
    }
  });
  const auto cells = static_cast<double>(models * batch * pixels * channels);
  count(state, "rows/s", static_cast<double>(models * batch), (backward ? 24.0 : 16.0) * cells, 0);
}

/// Minibatches of 4,096 images, taken by their index, mirrored and moved.
void augment_images(benchmark::State& state, const ImageShape& image) {
  const std::int64_t models = state.range(0), columns = cells_of(image), source_rows = 4096;
  const auto make = [&](Context& context, Arena& arena) {
    AugmentImages args;
    const StackView<float> source = uniform(context, arena, 1, source_rows, columns, 0);
    args.source = StackView<const float>(source.data, models, source_rows, columns, 0, columns);
    const StackView<std::int32_t> index = arena.stack<std::int32_t>("index", models, batch, 1);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(models * batch));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int32_t>(i * 1237 % source_rows);
    copy_rows(context, MatrixView<const std::int32_t>(rows.data(), models, batch),
              MatrixView<std::int32_t>(index.data, models, batch));
    context.synchronize();
    args.index = index;
    args.out = arena.stack("out", models, batch, columns);
    args.image = image;
    args.shift = 2;
    args.flip = true;
    args.key = {.seed = 3};
    return args;
  };
  Context context = make_context(), cpu = Device::open("cpu", 1).make_context(1);
  Arena arena(context), cpu_arena(cpu);
  AugmentImages args = make(context, arena);
  const AugmentImages expected = make(cpu, cpu_arena);
  run(context, args);
  run(cpu, expected);
  if (!same_bits(context, args.out, expected.out)) return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t i) {
    args.key.step = static_cast<std::uint32_t>(i);
    run(context, args);
  });
  const auto cells = static_cast<double>(models * batch * columns);
  count(state, "rows/s", static_cast<double>(models * batch), 8.0 * cells, 0);
}

}  // namespace

void add_image_ops() {
  const std::int64_t many = on_gpu() ? 64 : 8;
  add("join_channels", joined_channels, false)->Arg(1)->Arg(many)->Unit(benchmark::kMicrosecond);
  add("split_channels", joined_channels, true)->Arg(1)->Arg(many)->Unit(benchmark::kMicrosecond);
  for (const ImageShape& image : {ImageShape{28, 28, 1}, ImageShape{64, 64, 3}}) {
    add("augment_images/" + image_shape_text(image), augment_images, image)
        ->Arg(1)
        ->Arg(many)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace cugad::bench
