// A training loop of one's own on the raw ops: a GAN in two dimensions, by hand, without Detector or Mlp. Each op is a
// struct of views into memory of the context's device and a call of run(); cugad/ops.hpp holds the contracts.
//
//   raw_ops
//
// The generator G turns noise (2) into points (2) by one hidden layer, the discriminator D gives each point one logit.
// The data lie on a circle of radius 2. Printed is how far generated points lie from it, before and after training.

#include <cmath>
#include <cstdio>
#include <cugad/cugad.hpp>
#include <vector>

namespace {

using cugad::Activation;
using View = cugad::StackView<float>;
using ConstView = cugad::StackView<const float>;

constexpr std::int64_t batch = 64, hidden = 32;

// A buffer on the CPU, seen as a stack of one matrix.
struct Buffer {
  Buffer(std::int64_t rows_, std::int64_t columns_) : rows(rows_), columns(columns_), data(rows_ * columns_) {}
  View view() { return {data.data(), 1, rows, columns}; }
  std::int64_t rows, columns;
  std::vector<float> data;
};

// Two dense layers, in -> hidden -> out, with the buffers to train them.
struct Network {
  Network(cugad::Context& context, std::int64_t in, std::int64_t out, std::uint32_t lane)
      : parameter(1, hidden * in + hidden + out * hidden + out),
        gradient(parameter),
        first(parameter),
        second(parameter),
        inputs(in),
        outputs(out) {
    const float limit = std::sqrt(6.0f / static_cast<float>(in + hidden));  // Glorot and Bengio 2010
    run(context, cugad::FillUniform{.out = parameter.view(),
                                    .key = {.seed = 1, .purpose = cugad::RandomPurpose::initial_weights, .lane = lane},
                                    .low = -limit,
                                    .high = limit});
  }

  // Weights and biases, one after another in one flat buffer: Adam is then one pass over it.
  static View part(Buffer& flat, std::int64_t offset, std::int64_t rows, std::int64_t columns) {
    return {flat.data.data() + offset, 1, rows, columns};
  }
  View weight1(Buffer& flat) const { return part(flat, 0, hidden, inputs); }
  View bias1(Buffer& flat) const { return part(flat, hidden * inputs, 1, hidden); }
  View weight2(Buffer& flat) const { return part(flat, hidden * inputs + hidden, outputs, hidden); }
  View bias2(Buffer& flat) const { return part(flat, hidden * (inputs + 1 + outputs), 1, outputs); }

  void forward(cugad::Context& context, ConstView x, View h, View y) {
    run(context, cugad::DenseForward{.x = x,
                                     .weight = weight1(parameter),
                                     .bias = bias1(parameter),
                                     .y = h,
                                     .activation = Activation::leaky_relu,
                                     .slope = 0.2f});
    run(context, cugad::DenseForward{.x = h, .weight = weight2(parameter), .bias = bias2(parameter), .y = y});
  }

  // From dy to the gradients of the parameters, and to dx if requested. dy and dh are overwritten.
  void backward(cugad::Context& context, ConstView x, ConstView h, ConstView y, View dy, View dh, View dx) {
    run(context, cugad::DenseBackward{.x = h,
                                      .weight = weight2(parameter),
                                      .y = y,
                                      .dy = dy,
                                      .dx = dh,
                                      .dweight = weight2(gradient),
                                      .dbias = bias2(gradient)});
    run(context, cugad::DenseBackward{.x = x,
                                      .weight = weight1(parameter),
                                      .y = h,
                                      .dy = dh,
                                      .dx = dx,
                                      .dweight = weight1(gradient),
                                      .dbias = bias1(gradient),
                                      .activation = Activation::leaky_relu,
                                      .slope = 0.2f});
  }

  void update(cugad::Context& context, std::int64_t step) {
    run(context, cugad::Adam{.parameter = parameter.view(),
                             .gradient = gradient.view(),
                             .first_moment = first.view(),
                             .second_moment = second.view(),
                             .learning_rate = 2e-3f,
                             .beta1 = 0.5,
                             .step = step});
  }

  Buffer parameter, gradient, first, second;
  std::int64_t inputs, outputs;
};

double distance_from_circle(const Buffer& points) {
  double sum = 0;
  for (std::int64_t r = 0; r < points.rows; ++r) {
    sum += std::abs(std::hypot(points.data[2 * r], points.data[2 * r + 1]) - 2.0f);
  }
  return sum / static_cast<double>(points.rows);
}

int run_example() {
  cugad::Context context = cugad::Device::open("cpu").make_context(1);
  Network generator(context, 2, 2, 0), discriminator(context, 2, 1, 1);

  Buffer data(1024, 2);
  for (std::int64_t r = 0; r < data.rows; ++r) {
    const float angle = 6.2831853f * static_cast<float>(r) / static_cast<float>(data.rows);
    data.data[2 * r] = 2.0f * std::cos(angle);
    data.data[2 * r + 1] = 2.0f * std::sin(angle);
  }

  // Real and generated points are one stacked batch, so that D runs once over both.
  Buffer points(2 * batch, 2), point_gradient(2 * batch, 2), noise(batch, 2), generator_hidden(batch, hidden);
  Buffer generator_dh(batch, hidden), d_hidden(2 * batch, hidden), d_dh(2 * batch, hidden), logit(2 * batch, 1);
  Buffer dlogit(2 * batch, 1);
  std::vector<std::int32_t> index(batch);
  const View real = points.view().slice_rows(0, batch), generated = points.view().slice_rows(batch, batch);

  // Randomness has no state: a key names the stream, the step its place in it.
  const auto draw = [&](std::uint32_t step, std::uint32_t lane) {
    run(context,
        cugad::FillNormal{.out = noise.view(),
                          .key = {.seed = 1, .purpose = cugad::RandomPurpose::latent, .lane = lane, .step = step}});
    generator.forward(context, noise.view(), generator_hidden.view(), generated);
  };
  const auto judge = [&](std::int64_t first, std::int64_t rows, float target) {
    run(context, cugad::SigmoidCrossEntropy{.logit = logit.view().slice_rows(first, rows),
                                            .target = target,
                                            .dlogit = dlogit.view().slice_rows(first, rows)});
  };
  const auto mean_distance = [&] {
    draw(0, 9);
    Buffer copy(batch, 2);
    run(context, cugad::AddRows{.x = generated, .y = copy.view()});
    context.synchronize();  // does nothing on the CPU, whose ops finish before they return
    return distance_from_circle(copy);
  };

  const double before = mean_distance();
  for (std::uint32_t step = 1; step <= 1500; ++step) {
    // D: real points up, generated ones down.
    run(context, cugad::SampleRows{.index = {index.data(), 1, batch, 1},
                                   .source_rows = 1024,
                                   .key = {.seed = 1, .purpose = cugad::RandomPurpose::minibatch, .step = step}});
    run(context, cugad::GatherRows{.source = data.view(), .index = {index.data(), 1, batch, 1}, .out = real});
    draw(step, 0);
    discriminator.forward(context, points.view(), d_hidden.view(), logit.view());
    judge(0, batch, 1.0f);
    judge(batch, batch, 0.0f);
    discriminator.backward(context, points.view(), d_hidden.view(), logit.view(), dlogit.view(), d_dh.view(), {});
    discriminator.update(context, step);

    // G: new points that D should take for real ones; the gradient goes through D, whose own is not used.
    draw(step, 1);
    discriminator.forward(context, points.view(), d_hidden.view(), logit.view());
    judge(batch, batch, 1.0f);
    const auto half = [](Buffer& buffer) { return buffer.view().slice_rows(batch, batch); };
    discriminator.backward(context, generated, half(d_hidden), half(logit), half(dlogit), half(d_dh),
                           half(point_gradient));
    generator.backward(context, noise.view(), generator_hidden.view(), generated, half(point_gradient),
                       generator_dh.view(), {});
    generator.update(context, step);
  }
  const double after = mean_distance();
  std::printf("mean distance from the circle: %.3f before, %.3f after 1500 steps\n", before, after);
  return after < 0.3 * before ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return run_example();
  } catch (const cugad::Error& error) {
    std::fprintf(stderr, "raw_ops: %s\n", error.what());
    return 1;
  }
}
