#pragma once

#include <vector>

#include "bench/device.hpp"
#include "host/methods/gan_networks.hpp"
#include "host/training/gan_step.hpp"

/// What the benchmarks share: the networks of the KDD99 AnoGAN (METHODS 1.2 of the plan: G 32-64-128-121,
/// D 121-256-128-128-1, dropout .2, Adam 1e-5, average .9999) and rows to work on.
namespace cugad::bench {

inline DetectorOptions kdd_options(int batch, int population = 1) {
  DetectorOptions options;
  apply_preset(options, "kdd99-anogan-faithful");
  options.epochs = 0;
  options.steps = 1'000'000'000;
  options.decay_steps = 1;
  options.batch = batch;
  options.population = population;
  return options;
}

/// Uniform rows, the same on every machine.
inline std::vector<float> uniform_rows(std::int64_t rows, std::int64_t columns) {
  std::vector<float> values(rows * columns);
  Context context = Device::open("cpu").make_context(1);
  run(context, FillUniform{.out = {values.data(), 1, rows, columns}, .key = {.seed = 7}});
  return values;
}

/// Multiply-adds x 2 of one training step: D on real and generated rows forward and backward (no gradient of its
/// input), G forward; then G forward, D forward and backward to its input, G backward.
inline double training_flops(const MethodNetworks& networks, int batch) {
  const auto weights = [](const Mlp& network, int first) {
    double sum = 0;
    for (int l = first; l < network.layers(); ++l)
      sum += static_cast<double>(network.layer(l).out) * network.layer_inputs(l);
    return sum;
  };
  const double g = weights(networks.generator().trunk(), 0), g_inner = weights(networks.generator().trunk(), 1);
  const double d = weights(networks.discriminator().trunk(), 0), d_inner = weights(networks.discriminator().trunk(), 1);
  return 2.0 * batch * (2.0 * (2.0 * d + d_inner) + g + (g + 2.0 * d + g + g_inner));
}

}  // namespace cugad::bench
