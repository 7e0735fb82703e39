#pragma once

#include <algorithm>
#include <vector>

#include "tests/network/population.hpp"
#include "tests/network/technique_twin.hpp"

namespace cugad::test {

/// A network and what it is trained with.
struct TechniqueCase {
  const char* name;
  bool joint;
  Techniques techniques;
};

inline const std::vector<TechniqueCase> technique_cases = {
    {"none", true, {.part_rows = 5}},
    {"spectral", false, {.spectral_norm = true, .part_rows = 5}},
    {"spectral_joint", true, {.spectral_norm = true, .part_rows = 5}},
    {"batch_norm", true, {.batch_norm = true, .part_rows = 5}},
    {"batch_norm_spectral", true, {.spectral_norm = true, .batch_norm = true, .part_rows = 5}},
    {"virtual_batch", false, {.virtual_batch = 7}},
    {"minibatch", false, {.minibatch_kernels = 3, .minibatch_dimensions = 2, .part_rows = 5}},
    {"all_joint",
     true,
     {.spectral_norm = true, .batch_norm = true, .minibatch_kernels = 3, .minibatch_dimensions = 2, .part_rows = 5}},
};

inline constexpr int data_columns = 6, latent_columns = 3;
inline const LayerSpec leaky_5{5, Activation::leaky_relu, 0.2f}, leaky_7{7, Activation::leaky_relu, 0.3f}, last{2};

inline Network network_of(const TechniqueCase& tested) {
  if (!tested.joint) return Network(Mlp(data_columns, {leaky_7, leaky_5, last}), tested.techniques);
  return Network(Mlp(data_columns, {leaky_7, leaky_5}), Mlp(latent_columns, {leaky_5}), Mlp(10, {leaky_7, last}),
                 tested.techniques);
}

/// A network with two models, two parts of a batch, and a loss that is a weighted sum of its outputs.
struct Passes {
  explicit Passes(const TechniqueCase& tested, std::int64_t rows_ = 10)
      : network(network_of(tested)),
        twin(network, tested.techniques),
        rows(rows_),
        x(Population::random(models * rows * data_columns, 3)),
        z(Population::random(models * rows * latent_columns, 4)),
        weights(Population::random(models * rows * network.outputs(), 5)),
        parameters(static_cast<std::size_t>(models * network.parameters())),
        gradients(parameters.size(), 0.25f),
        dx(x.size()),
        dz(z.size()),
        memory(static_cast<std::size_t>(network.buffer_floats(models, rows)), -7.0f),
        buffers(network.carve(memory.data(), models, rows)) {
    network.initialise(context, flat(), {.seed = 8, .purpose = RandomPurpose::initial_weights});
    // Scales, shifts and biases away from where they start.
    RandomNumbers numbers(9);
    for (std::int64_t m = 0; m < models; ++m)
      for (std::int64_t i = 0; i < network.trained(); ++i)
        parameters[static_cast<std::size_t>(m * network.parameters() + i)] +=
            static_cast<float>(0.1 * numbers.normal());
  }

  StackView<float> flat() { return {parameters.data(), models, 1, network.parameters()}; }
  StackView<float> gradient() { return {gradients.data(), models, 1, network.parameters()}; }
  Network::Input in() {
    return {.x = StackView<const float>(x.data(), models, rows, data_columns),
            .z = network.is_joint() ? StackView<const float>(z.data(), models, rows, latent_columns)
                                    : StackView<const float>{}};
  }
  void forward() { network.forward(context, flat(), in(), buffers); }
  void backward(bool accumulate = false) {
    for (std::int64_t m = 0; m < models; ++m)
      for (std::int64_t r = 0; r < rows; ++r)
        std::copy_n(weights.data() + (m * rows + r) * network.outputs(), network.outputs(),
                    buffers.result_gradient().model(m).row(r));
    Network::InputGradient inputs{.x = {dx.data(), models, rows, data_columns}, .z = {}};
    if (network.is_joint()) inputs.z = {dz.data(), models, rows, latent_columns};
    network.backward(context, flat(), in(), buffers, gradient(), inputs, {.accumulate = accumulate});
  }

  TechniqueTwin::Rows rows_of(const std::vector<float>& values, std::int64_t m, int columns) const {
    TechniqueTwin::Rows list;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto first = values.begin() + (m * rows + r) * columns;
      list.emplace_back(first, first + columns);
    }
    return list;
  }
  TechniqueTwin::Constants constants(std::int64_t m) const {
    TechniqueTwin::Constants all;
    for (const PartMemory& part : buffers.memory) {
      all.emplace_back();
      for (const LayerMemory& layer : part.layer) {
        all.back().emplace_back();
        if (!layer.left) continue;
        const auto values = [&](const StackView<float>& view) {
          return std::vector<double>(view.model(m).data, view.model(m).data + view.columns);
        };
        all.back().back() = {values(layer.left), values(layer.v)};
      }
    }
    return all;
  }
  double loss(std::int64_t m, const std::vector<double>& all, const TechniqueTwin::Rows& from_x) const {
    const auto outputs = twin.outputs(all, from_x, rows_of(z, m, latent_columns), constants(m));
    double sum = 0.0;
    for (std::int64_t r = 0; r < rows; ++r)
      for (int o = 0; o < network.outputs(); ++o)
        sum += double{weights[static_cast<std::size_t>((m * rows + r) * network.outputs() + o)]} *
               outputs[static_cast<std::size_t>(r)][static_cast<std::size_t>(o)];
    return sum;
  }
  std::vector<double> model_parameters(std::int64_t m) const {
    return widened(parameters, static_cast<std::size_t>(m * network.parameters()),
                   static_cast<std::size_t>(network.parameters()));
  }

  static constexpr std::int64_t models = 2;
  Context context = Device::open("cpu", 1).make_context();
  Network network;
  TechniqueTwin twin;
  std::int64_t rows;
  std::vector<float> x, z, weights, parameters, gradients, dx, dz, memory;
  Network::Buffers buffers;
};

}  // namespace cugad::test
