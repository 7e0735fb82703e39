#include "bench/device.hpp"

/// Batch normalisation, spectral normalisation and minibatch discrimination, for a population.
namespace cugad::bench {
namespace {

constexpr std::int64_t width = 128;

/// Inputs and outputs of both passes of batch_norm on a device.
struct BatchNormCase {
  std::int64_t models, rows;
  StackView<float> x, scale, shift, dy, y, mean, inverse, dx, dscale, dshift;

  BatchNormCase(Context& context, Arena& arena, std::int64_t models_, std::int64_t rows_)
      : models(models_),
        rows(rows_),
        x(uniform(context, arena, models, rows, width, 0, -1.0f)),
        scale(uniform(context, arena, models, 1, width, 1, 0.5f)),
        shift(uniform(context, arena, models, 1, width, 2, -0.5f, 0.5f)),
        dy(uniform(context, arena, models, rows, width, 3, -1.0f)),
        y(arena.stack("y", models, rows, width)),
        mean(arena.stack("mean", models, 1, width)),
        inverse(arena.stack("inverse deviation", models, 1, width)),
        dx(arena.stack("dx", models, rows, width)),
        dscale(arena.stack("dscale", models, 1, width)),
        dshift(arena.stack("dshift", models, 1, width)) {}

  BatchNorm forward() const {
    return {.x = x,
            .scale = scale,
            .shift = shift,
            .activation = Activation::relu,
            .dropout = {},
            .y = y,
            .mean = mean,
            .inverse_deviation = inverse,
            .moving_mean = {},
            .moving_variance = {}};
  }
  BatchNormBackward backward() const {
    return {.x = x,
            .scale = scale,
            .y = y,
            .mean = mean,
            .inverse_deviation = inverse,
            .activation = Activation::relu,
            .dy = dy,
            .dx = dx,
            .dscale = dscale,
            .dshift = dshift};
  }
};

/// Both passes agree with the CPU backend.
bool batch_norm_agrees(Context& context, const BatchNormCase& one) {
  Context cpu = Device::open("cpu", 1).make_context(1);
  Arena arena(cpu);
  const BatchNormCase expected(cpu, arena, one.models, one.rows);
  run(context, one.forward());
  run(context, one.backward());
  run(cpu, expected.forward());
  run(cpu, expected.backward());
  const std::int64_t cells = one.models * one.rows * width;
  return close(download(context, one.y.data, cells), download(cpu, expected.y.data, cells), 1e-5) &&
         close(download(context, one.dx.data, cells), download(cpu, expected.dx.data, cells), 1e-5);
}

void batch_norm(benchmark::State& state, bool backward) {
  Context context = make_context();
  Arena arena(context);
  const BatchNormCase one(context, arena, state.range(0), state.range(1));
  if (!batch_norm_agrees(context, one)) return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) {
    if (backward) {
      run(context, one.backward());
    } else {
      run(context, one.forward());
    }
  });
  const auto rows = static_cast<double>(one.models * one.rows);
  count(state, "rows/s", rows, (backward ? 20.0 : 8.0) * rows * static_cast<double>(width), 0);
}

/// One power iteration and the division, forward; the gradient, backward.
void spectral_norm(benchmark::State& state, bool backward) {
  const std::int64_t models = state.range(0);
  const auto one = [models](Context& context, Arena& arena) {
    return SpectralNorm{.weight = uniform(context, arena, models, width, width, 0, -1.0f),
                        .u = uniform(context, arena, models, 1, width, 1, -1.0f),
                        .update = false,
                        .v = arena.stack("v", models, 1, width),
                        .sigma = arena.stack("sigma", models, 1, 1),
                        .normalised = arena.stack("normalised", models, width, width),
                        .left = arena.stack("left", models, 1, width)};
  };
  Context context = make_context(), cpu = Device::open("cpu", 1).make_context(1);
  Arena arena(context), cpu_arena(cpu);
  const SpectralNorm forward = one(context, arena), expected = one(cpu, cpu_arena);
  run(context, forward);
  run(cpu, expected);
  const std::int64_t cells = models * width * width;
  if (!close(download(context, forward.normalised.data, cells), download(cpu, expected.normalised.data, cells), 1e-4))
    return state.SkipWithError("differs from the CPU backend");
  const SpectralNormBackward gradient = {.normalised = forward.normalised,
                                         .left = forward.left,
                                         .v = forward.v,
                                         .sigma = forward.sigma,
                                         .gradient = arena.stack("gradient", models, width, width)};
  run(context, FillUniform{.out = gradient.gradient, .key = {.seed = 7, .lane = 3}, .low = -1.0f});
  measure(state, context, [&](std::int64_t) {
    if (backward) {
      run(context, gradient);
    } else {
      run(context, forward);
    }
  });
  count(state, "weights/s", static_cast<double>(models), 12.0 * static_cast<double>(cells), 0);
}

/// The middle layer of a critic of images of 28 x 28.
void layer_norm(benchmark::State& state, bool backward) {
  const std::int64_t models = state.range(0), rows = 64, channels = 64, columns = 14 * 14 * channels;
  struct Passes {
    LayerNorm forward;
    LayerNormBackward backward;
  };
  const auto make = [&](Context& context, Arena& arena) {
    Passes passes;
    LayerNorm& forward = passes.forward;
    forward.x = uniform(context, arena, models, rows, columns, 0, -1.0f);
    forward.scale = uniform(context, arena, models, 1, channels, 1, 0.5f);
    forward.shift = uniform(context, arena, models, 1, channels, 2, -1.0f);
    forward.activation = Activation::leaky_relu;
    forward.slope = 0.2f;
    forward.y = arena.stack("y", models, rows, columns);
    LayerNormBackward& gradient = passes.backward;
    gradient.x = forward.x;
    gradient.scale = forward.scale;
    gradient.y = forward.y;
    gradient.activation = forward.activation;
    gradient.slope = forward.slope;
    gradient.dy = uniform(context, arena, models, rows, columns, 3, -1.0f);
    gradient.dx = arena.stack("dx", models, rows, columns);
    gradient.dscale = arena.stack("dscale", models, 1, channels);
    gradient.dshift = arena.stack("dshift", models, 1, channels);
    return passes;
  };
  Context context = make_context(), cpu = Device::open("cpu", 1).make_context(1);
  Arena arena(context), cpu_arena(cpu);
  const Passes passes = make(context, arena), expected = make(cpu, cpu_arena);
  for (const auto& [on, of] : {std::pair(&context, &passes), std::pair(&cpu, &expected)}) {
    run(*on, of->forward);
    run(*on, of->backward);
  }
  const std::int64_t cells = models * rows * columns;
  if (!close(download(context, passes.backward.dx.data, cells), download(cpu, expected.backward.dx.data, cells), 1e-4))
    return state.SkipWithError("differs from the CPU backend");
  measure(state, context, [&](std::int64_t) {
    if (backward) {
      run(context, passes.backward);
    } else {
      run(context, passes.forward);
    }
  });
  count(state, "rows/s", static_cast<double>(models * rows), (backward ? 28.0 : 8.0) * static_cast<double>(cells), 0);
}

/// Salimans's 50 kernels of 5 dimensions would be 250 columns; here 32 of 8.
void minibatch_discrimination(benchmark::State& state, bool backward) {
  const std::int64_t models = 8, rows = state.range(0), columns = 256;
  constexpr std::int32_t kernels = 32;
  const auto one = [&](Context& context, Arena& arena) {
    return MinibatchDiscrimination{.projection = uniform(context, arena, models, rows, columns, 0, -1.0f),
                                   .kernels = kernels,
                                   .out = arena.stack("out", models, rows, kernels)};
  };
  Context context = make_context(), cpu = Device::open("cpu", 1).make_context(1);
  Arena arena(context), cpu_arena(cpu);
  const MinibatchDiscrimination forward = one(context, arena), expected = one(cpu, cpu_arena);
  run(context, forward);
  run(cpu, expected);
  const std::int64_t cells = models * rows * kernels;
  if (!close(download(context, forward.out.data, cells), download(cpu, expected.out.data, cells), 1e-5))
    return state.SkipWithError("differs from the CPU backend");
  const MinibatchDiscriminationBackward gradient = {
      .projection = forward.projection,
      .out_gradient = uniform(context, arena, models, rows, kernels, 1, -1.0f),
      .kernels = kernels,
      .projection_gradient = arena.stack("projection gradient", models, rows, columns)};
  measure(state, context, [&](std::int64_t) {
    if (backward) {
      run(context, gradient);
    } else {
      run(context, forward);
    }
  });
  const double pairs = static_cast<double>(models * rows) * static_cast<double>(rows);
  count(state, "rows/s", static_cast<double>(models * rows), 0, (backward ? 6.0 : 3.0) * pairs * columns);
}

}  // namespace

void add_normalisation() {
  const std::int64_t many = on_gpu() ? 256 : 8;
  for (const bool backward : {false, true}) {
    const std::string suffix = backward ? "_backward" : "";
    add("batch_norm" + suffix, batch_norm, backward)->Args({1, 1024})->Args({many, 64})->Unit(benchmark::kMicrosecond);
    add("layer_norm" + suffix, layer_norm, backward)->Arg(1)->Arg(many)->Unit(benchmark::kMicrosecond);
    add("spectral_norm" + suffix, spectral_norm, backward)->Arg(1)->Arg(many)->Unit(benchmark::kMicrosecond);
    add("minibatch_discrimination" + suffix, minibatch_discrimination, backward)
        ->Arg(64)
        ->Arg(256)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace cugad::bench
