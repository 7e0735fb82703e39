#include "bench/device.hpp"

/// The layers of DCGAN-like networks for images of 28 x 28 and 64 x 64, batch 64, forward and backward.
namespace cugad::bench {
namespace {

struct Layer {
  ImageShape from, to;
  Window window;

  std::int64_t columns_from() const { return std::int64_t{from.height} * from.width * from.channels; }
  std::int64_t columns_to() const { return std::int64_t{to.height} * to.width * to.channels; }
  std::int64_t fan_in() const { return std::int64_t{window.height} * window.width * from.channels; }
  double flops(std::int64_t rows) const {
    const ImageShape& smaller = window.transposed ? from : to;
    return 2.0 * static_cast<double>(rows * smaller.height * smaller.width) *
           static_cast<double>(fan_in() * to.channels);
  }
  std::string name() const {
    const auto text = [](const ImageShape& image) {
      return std::to_string(image.height) + "x" + std::to_string(image.width) + "x" + std::to_string(image.channels);
    };
    return text(from) + "/" + text(to);
  }
};

/// A window of 4 x 4 that halves or doubles an image.
Layer layer(std::int32_t size, std::int32_t in, std::int32_t out, bool transposed) {
  const std::int32_t other = transposed ? 2 * size : size / 2;
  return {{size, size, in}, {other, other, out}, {4, 4, 2, 1, 1, transposed}};
}

struct Operands {
  StackView<float> x, weight, bias, y, dy, dx, dweight, dbias;

  Operands(Context& context, Arena& arena, const Layer& layer, std::int64_t rows)
      : x(uniform(context, arena, 1, rows, layer.columns_from(), 0)),
        weight(uniform(context, arena, 1, layer.to.channels, layer.fan_in(), 1, -0.1f, 0.1f)),
        bias(uniform(context, arena, 1, 1, layer.to.channels, 2)),
        y(arena.stack("y", 1, rows, layer.columns_to())),
        dy(uniform(context, arena, 1, rows, layer.columns_to(), 3, -0.5f, 0.5f)),
        dx(arena.stack("dx", 1, rows, layer.columns_from())),
        dweight(arena.stack("dweight", 1, layer.to.channels, layer.fan_in())),
        dbias(arena.stack("dbias", 1, 1, layer.to.channels)) {}

  ConvolutionForward forward(const Layer& layer) const {
    ConvolutionForward args;
    args.from = layer.from;
    args.to = layer.to;
    args.window = layer.window;
    args.x = x;
    args.weight = weight;
    args.bias = bias;
    args.y = y;
    args.activation = Activation::leaky_relu;
    args.slope = 0.2f;
    return args;
  }
  /// dH overwrites dY in every iteration: the derivative is one (identity), so the numbers do not change.
  ConvolutionBackward backward(const Layer& layer) const {
    ConvolutionBackward args;
    args.from = layer.from;
    args.to = layer.to;
    args.window = layer.window;
    args.x = x;
    args.weight = weight;
    args.dy = dy;
    args.dx = dx;
    args.dweight = dweight;
    args.dbias = dbias;
    return args;
  }
};

/// Whether a result of the device equals that of the CPU backend for the same operands.
bool equals_cpu(Context& context, const Operands& given, const Layer& layer, bool backwards) {
  const std::int64_t rows = std::min<std::int64_t>(given.x.rows, 2);
  const auto take = [&](const StackView<float>& view, std::int64_t some) {
    return download(context, view.data, some * view.columns);
  };
  std::vector<float> x = take(given.x, rows), weight = take(given.weight, layer.to.channels),
                     bias = take(given.bias, 1), dy = take(given.dy, rows),
                     result(static_cast<std::size_t>(rows * (backwards ? layer.columns_from() : layer.columns_to())));
  Context cpu = Device::open("cpu", 1).make_context(1);
  const StackView<float> w = {weight.data(), 1, layer.to.channels, layer.fan_in()};
  if (backwards) {
    ConvolutionBackward args = given.backward(layer);
    args.weight = w;
    args.dy = {dy.data(), 1, rows, layer.columns_to()};
    args.dx = {result.data(), 1, rows, layer.columns_from()};
    args.dweight = args.dbias = {};
    run(cpu, args);
  } else {
    ConvolutionForward args = given.forward(layer);
    args.x = {x.data(), 1, rows, layer.columns_from()};
    args.weight = w;
    args.bias = {bias.data(), 1, 1, layer.to.channels};
    args.y = {result.data(), 1, rows, layer.columns_to()};
    run(cpu, args);
  }
  return close(take(backwards ? given.dx : given.y, rows), result, tolerance_of(context.precision()));
}

void convolution(benchmark::State& state, Layer layer, std::int64_t rows, bool backwards, Precision precision) {
  Context context = make_context(precision);
  Arena arena(context);
  const Operands operands(context, arena, layer, rows);
  const auto work = [&](std::int64_t) {
    if (backwards) {
      run(context, operands.backward(layer));
    } else {
      run(context, operands.forward(layer));
    }
  };
  work(0);
  if (!equals_cpu(context, operands, layer, backwards)) return state.SkipWithError("differs from the CPU backend");
  measure(state, context, work);
  const auto images = static_cast<double>(rows);
  const double bytes = 4.0 * images * static_cast<double>(layer.columns_from() + layer.columns_to());
  count(state, "images/s", images, (backwards ? 2.0 : 1.0) * bytes, (backwards ? 2.0 : 1.0) * layer.flops(rows));
}

}  // namespace

void add_convolution() {
  constexpr std::int64_t rows = 64;
  for (const Precision precision : precisions()) {
    if (!on_gpu() && precision != Precision::fp32) continue;  // the CPU's convolutions stay in float32
    for (const Layer& one :
         {layer(28, 1, 32, false), layer(14, 32, 64, false), layer(7, 64, 32, true), layer(14, 32, 1, true),
          layer(64, 3, 64, false), layer(32, 64, 128, false), layer(16, 128, 64, true), layer(32, 64, 3, true)}) {
      for (const bool backwards : {false, true}) {
        add(std::string(backwards ? "convolution_backward/" : "convolution_forward/") + one.name() + "/" +
                name_of(precision),
            convolution, one, rows, backwards, precision)
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

}  // namespace cugad::bench
