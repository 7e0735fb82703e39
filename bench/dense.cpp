#include "bench/device.hpp"
#include "bench/least_time.hpp"

/// The dense layers of the KDD99 networks (and of a population of 256 of them), forward and backward.
namespace cugad::bench {
namespace {

struct Shape {
  std::int64_t models, rows, in, out;
  double weights() const { return static_cast<double>(models * in * out); }
  double flops() const { return 2.0 * weights() * static_cast<double>(rows); }
  std::string name() const {
    return std::to_string(models) + "/" + std::to_string(rows) + "/" + std::to_string(in) + "/" + std::to_string(out);
  }
};

/// Operands of one layer, as often as it takes to leave the cache.
struct Layer {
  StackView<float> x, weight, bias, y;
};
std::vector<Layer> layers(Context& context, Arena& arena, const Shape& shape) {
  const auto [models, rows, in, out] = shape;
  std::vector<Layer> made(copies_of(4 * models * (rows * (in + out) + in * out)));
  for (Layer& layer : made) {
    layer = {uniform(context, arena, models, rows, in, 0), uniform(context, arena, models, out, in, 1, -0.1f, 0.1f),
             uniform(context, arena, models, 1, out, 2), arena.stack("y", models, rows, out)};
  }
  return made;
}
DenseForward forward(const Layer& layer) {
  return {.x = layer.x,
          .weight = layer.weight,
          .bias = layer.bias,
          .y = layer.y,
          .activation = Activation::leaky_relu,
          .slope = 0.2f,
          .dropout = {},
          .derivative_of = {}};
}

/// The first rows of the first model, computed again by the CPU backend.
bool equals_cpu(Context& context, const Layer& layer) {
  const std::int64_t rows = std::min<std::int64_t>(layer.x.rows, 32), in = layer.x.columns, out = layer.y.columns;
  std::vector<float> x = download(context, layer.x.data, rows * in),
                     weight = download(context, layer.weight.data, in * out),
                     bias = download(context, layer.bias.data, out), y(static_cast<std::size_t>(rows * out));
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu,
      forward(
          {{x.data(), 1, rows, in}, {weight.data(), 1, out, in}, {bias.data(), 1, 1, out}, {y.data(), 1, rows, out}}));
  return close(download(context, layer.y.data, rows * out), y, tolerance_of(context.precision()));
}

void dense_forward(benchmark::State& state, Shape shape, Precision precision) {
  Context context = make_context(precision);
  Arena arena(context);
  const std::vector<Layer> layer = layers(context, arena, shape);
  run(context, forward(layer[0]));
  if (!equals_cpu(context, layer[0])) return state.SkipWithError("differs from the CPU backend");
  LeastTime least;
  measure(state, context, [&](std::int64_t i) {
    least.measure([&] { run(context, forward(layer[static_cast<std::size_t>(i) % layer.size()])); });
  });
  const double rows = static_cast<double>(shape.models * shape.rows);
  count(state, "rows/s", rows, 4.0 * (shape.weights() + rows * static_cast<double>(shape.in + shape.out)),
        shape.flops());
  if (!on_gpu()) least.report(state, shape.flops());
}

void dense_backward(benchmark::State& state, Shape shape, Precision precision) {
  Context context = make_context(precision);
  Arena arena(context);
  const auto [models, rows, in, out] = shape;
  const std::vector<Layer> layer = layers(context, arena, shape);
  const StackView<float> dx = arena.stack("dx", models, rows, in), dweight = arena.stack("dweight", models, out, in),
                         dbias = arena.stack("dbias", models, 1, out), dy = arena.stack("dy", models, rows, out);
  for (const Layer& one : layer) run(context, forward(one));
  // dH overwrites dY in every iteration: the derivative is one (identity), so the numbers do not change.
  const auto backward = [&](const Layer& one, const StackView<float>& gradient) {
    return DenseBackward{
        .x = one.x, .weight = one.weight, .y = one.y, .dy = gradient, .dx = dx, .dweight = dweight, .dbias = dbias};
  };
  run(context, FillUniform{.out = dy, .key = {.seed = 9}, .low = -0.5f, .high = 0.5f});
  run(context, backward(layer[0], dy));
  const std::int64_t checked = std::min<std::int64_t>(rows, 32);
  std::vector<float> gradient = download(context, dy.data, checked * out),
                     weight = download(context, layer[0].weight.data, in * out),
                     x = download(context, layer[0].x.data, checked * in),
                     expected(static_cast<std::size_t>(checked * in));
  Context cpu = Device::open("cpu", 1).make_context(1);
  run(cpu, DenseBackward{.x = {x.data(), 1, checked, in},
                         .weight = {weight.data(), 1, out, in},
                         .y = {},
                         .dy = {gradient.data(), 1, checked, out},
                         .dx = {expected.data(), 1, checked, in},
                         .dweight = {},
                         .dbias = {}});
  if (!close(download(context, dx.data, checked * in), expected, tolerance_of(precision)))
    return state.SkipWithError("differs from the CPU backend");
  LeastTime least;
  measure(state, context, [&](std::int64_t i) {
    least.measure([&] { run(context, backward(layer[static_cast<std::size_t>(i) % layer.size()], dy)); });
  });
  const double all = static_cast<double>(models * rows);
  count(state, "rows/s", all, 4.0 * (2.0 * shape.weights() + all * static_cast<double>(2 * in + out)),
        2.0 * shape.flops());
  if (!on_gpu()) least.report(state, 2.0 * shape.flops());
}

}  // namespace

void add_dense() {
  for (const Precision precision : precisions()) {
    const std::string mode = std::string("/") + name_of(precision);
    const auto both = [&](const Shape& shape) {
      add("dense_forward/" + shape.name() + mode, dense_forward, shape, precision)->Unit(benchmark::kMicrosecond);
      add("dense_backward/" + shape.name() + mode, dense_backward, shape, precision)->Unit(benchmark::kMicrosecond);
    };
    for (const std::int64_t rows : {50, 1024, 4096, 65536}) {
      if (!on_gpu() && rows > 4096) continue;
      for (const auto& [in, out] :
           {std::pair<int, int>{32, 64}, {64, 128}, {128, 121}, {121, 256}, {256, 128}, {128, 128}, {128, 1}})
        both({1, rows, in, out});
    }
    for (const int models : {256}) {
      for (const auto& [in, out] : {std::pair<int, int>{128, 121}, {121, 256}, {256, 128}})
        both({on_gpu() ? models : 8, 50, in, out});
    }
  }
}

}  // namespace cugad::bench
