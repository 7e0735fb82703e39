#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cugad/device.hpp"
#include "tests/network/twin.hpp"

namespace cugad::test {

/// Rows of a stack as a dense vector, model after model.
inline std::vector<float> dense(const StackView<float>& view) {
  std::vector<float> values;
  for (std::int64_t m = 0; m < view.models; ++m)
    for (std::int64_t r = 0; r < view.rows; ++r)
      values.insert(values.end(), view.model(m).row(r), view.model(m).row(r) + view.columns);
  return values;
}

inline std::vector<double> widened(const std::vector<float>& values, std::size_t first, std::size_t count) {
  return {values.begin() + static_cast<std::ptrdiff_t>(first),
          values.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

/// |found - expected| <= relative * the array's largest |expected|: an element that is small because the terms of its
/// sum cancel still carries their rounding. NaN fails.
inline void expect_near_all(const std::vector<float>& found, const std::vector<double>& expected, double relative,
                            const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  double largest = 1e-30;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], relative * largest) << what << ", element " << i;
}

/// A network with random parameters for some models, a batch of inputs for each, and memory for all passes.
struct Population {
  Population(int in, std::vector<LayerSpec> layers, std::int64_t models_, std::int64_t rows_, std::uint64_t seed = 1)
      : network(in, layers),
        twin(in, layers),
        models(models_),
        rows(rows_),
        parameters(random(models_ * network.parameters(), seed)),
        inputs(random(models_ * rows_ * in, seed + 1)),
        output_weights(random(models_ * rows_ * network.outputs(), seed + 2)),
        memory(network.buffer_floats(models_, rows_), -7.0f),
        tangent_memory(memory),
        gradients(parameters.size(), -7.0f),
        input_gradients(inputs.size(), -7.0f) {}

  static std::vector<float> random(std::int64_t count, std::uint64_t seed) {
    RandomNumbers numbers(seed);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(0.5 * numbers.normal());
    return values;
  }

  StackView<float> flat() { return {parameters.data(), models, 1, network.parameters()}; }
  StackView<float> x() { return {inputs.data(), models, rows, network.inputs()}; }
  StackView<float> flat_gradient() { return {gradients.data(), models, 1, network.parameters()}; }
  StackView<float> dx() { return {input_gradients.data(), models, rows, network.inputs()}; }
  Mlp::Buffers buffers() { return network.carve(memory.data(), models, rows); }
  Mlp::Buffers tangents() { return network.carve(tangent_memory.data(), models, rows); }

  /// Forward, then backward from the output weights.
  void backward(Context& context, const RandomKey* dropout, bool accumulate) {
    Mlp::Buffers buffer = buffers();
    network.forward(context, flat(), x(), buffer, dropout);
    for (std::int64_t m = 0; m < models; ++m)
      for (std::int64_t r = 0; r < rows; ++r)
        std::copy_n(output_weights.data() + (m * rows + r) * network.outputs(), network.outputs(),
                    buffer.result_gradient().model(m).row(r));
    network.backward(context, flat(), x(), buffer, flat_gradient(), dx(),
                     {.dropout = dropout != nullptr, .accumulate = accumulate});
  }

  std::vector<double> model_parameters(std::int64_t m) const {
    const auto count = static_cast<std::size_t>(network.parameters());
    return widened(parameters, static_cast<std::size_t>(m) * count, count);
  }
  std::vector<double> input_row(std::int64_t m, std::int64_t r) const {
    const auto count = static_cast<std::size_t>(network.inputs());
    return widened(inputs, static_cast<std::size_t>(m * rows + r) * count, count);
  }
  std::vector<double> row_weights(std::int64_t m, std::int64_t r) const {
    const auto count = static_cast<std::size_t>(network.outputs());
    return widened(output_weights, static_cast<std::size_t>(m * rows + r) * count, count);
  }
  /// One model's part of a gradient.
  std::vector<float> model_part(const std::vector<float>& all, std::int64_t m) const {
    const auto count = all.size() / static_cast<std::size_t>(models);
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(m) * count);
    return {first, first + static_cast<std::ptrdiff_t>(count)};
  }

  Mlp network;
  Twin twin;
  std::int64_t models, rows;
  std::vector<float> parameters, inputs, output_weights, memory, tangent_memory, gradients, input_gradients;
};

}  // namespace cugad::test
