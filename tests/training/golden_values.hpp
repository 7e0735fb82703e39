#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "host/backend/transfer.hpp"
#include "host/training/training_step.hpp"
#include "tests/common/device.hpp"
#include "tests/common/npz.hpp"
#include "tests/training/bounded_network.hpp"

/// Networks and batches of golden files, whose weights are [in, out] and whose
/// arrays have names, on the device under test.
namespace cugad::test {

using Arrays = std::map<std::string, Array>;

/// The names of the weight and bias of each layer of a network, in the order of
/// its parts.
using LayerNames = std::vector<std::pair<std::string, std::string>>;

/// "<prefix>_W1", "<prefix>_b1", ... for the layers of a network without
/// branches.
inline LayerNames numbered_layers(int layers) {
  LayerNames names;
  for (int l = 1; l <= layers; ++l) names.emplace_back("_W" + std::to_string(l), "_b" + std::to_string(l));
  return names;
}
/// Of a discriminator of pairs.
inline const LayerNames joint_layers = {{"_x_W", "_x_b"}, {"_z_W", "_z_b"}, {"_y_W", "_y_b"}, {"_o_W", "_o_b"}};

/// The values are the golden file's, the bound is what rounding may do to them.
inline void expect_within(const std::vector<float>& found, const Bounded& expected, const std::string& what) {
  ASSERT_EQ(found.size(), expected.value.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected.value[i], expected.bound(i)) << what << ", element " << i;
}

/// Two references in float64 agree, so that both are right; and the bound,
/// which only one of them has, means something. The golden files' slopes are
/// decimal numbers, the library's the float32 beside them.
inline void expect_same_reference(const Bounded& computed, const std::vector<double>& golden, const std::string& what) {
  ASSERT_EQ(computed.value.size(), golden.size()) << what;
  for (std::size_t i = 0; i < golden.size(); ++i)
    ASSERT_NEAR(computed.value[i], golden[i], 0.25 * computed.bound(i)) << what << ", element " << i;
}

/// A network of a golden file: its parameters on the device, as a step has
/// them, and on the host.
struct GoldenNetwork {
  GoldenNetwork(const Network& network_, LayerNames names_, const Arrays& arrays, const std::string& prefix)
      : network(network_), names(std::move(names_)) {
    const std::vector<double> flat = flattened(arrays, prefix);
    initial.assign(flat.begin(), flat.end());
  }
  /// Puts the parameters, and moments of 0, into device memory.
  NetworkState place(Context& context, Arena& arena) {
    const auto take = [&](const char* name) { return arena.stack(name, 1, 1, network.parameters()); };
    state = {take("parameter"), take("first moment"), take("second moment"), {}, {}};
    context.backend().copy(state.parameter.data, initial.data(), sizeof(float) * initial.size(), context.stream());
    context.synchronize();
    return state;
  }
  std::vector<float> parameters(Context& context) const { return download(context, state.parameter.data, size()); }
  std::int64_t size() const { return network.parameters(); }
  BoundedParameters bounded() const { return BoundedParameters(initial); }

  /// Calls action(offset of the weight, in, out, offset of the bias, layer's
  /// number in all parts).
  template <class Action>
  void for_each_layer(Action&& action) const {
    std::size_t at = 0;
    for (const Network::Part& part : network.parts())
      for (int l = 0; l < part.mlp.layers(); ++l)
        action(part.offset + part.mlp.weight_offset(l), part.mlp.layer_inputs(l), part.mlp.layer(l).out,
               part.offset + part.mlp.bias_offset(l), at++);
  }
  /// The golden parameters (or gradients) in the library's layout: weights
  /// transposed to [out, in].
  std::vector<double> flattened(const Arrays& arrays, const std::string& prefix) const {
    std::vector<double> flat(static_cast<std::size_t>(size()));
    for_each_layer([&](std::int64_t weight_at, std::int64_t in, std::int64_t out, std::int64_t bias_at, std::size_t l) {
      const Array &weight = arrays.at(prefix + names[l].first), &bias = arrays.at(prefix + names[l].second);
      EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{in, out})) << names[l].first;
      for (std::int64_t o = 0; o < out; ++o) {
        for (std::int64_t i = 0; i < in; ++i)
          flat[static_cast<std::size_t>(weight_at + o * in + i)] = weight.values[static_cast<std::size_t>(i * out + o)];
        flat[static_cast<std::size_t>(bias_at + o)] = bias.values[static_cast<std::size_t>(o)];
      }
    });
    return flat;
  }
  /// `found` is the golden array `prefix` up to rounding, which `expected`
  /// bounds.
  void expect(const std::vector<float>& found, const Bounded& expected, const Arrays& arrays,
              const std::string& prefix) const {
    expect_same_reference(expected, flattened(arrays, prefix), prefix);
    expect_within(found, expected, prefix);
  }

  const Network& network;
  LayerNames names;
  std::vector<float> initial;
  NetworkState state;
};

/// Copies a batch of a golden file to where a step looks for it.
inline void fill(Context& context, const StackView<float>& view, const Array& array, std::int64_t iteration = 0) {
  const double* from = array.values.data() + iteration * view.rows * view.columns;
  const std::vector<float> rows(from, from + view.rows * view.columns);
  copy_rows(context, MatrixView<const float>(rows.data(), view.rows, view.columns), view.model(0));
  context.synchronize();
}

inline BoundedRows& rows_of(BoundedComputation& computation, const Array& array, std::int64_t iteration = 0) {
  const std::size_t last = array.shape.size() - 1;
  const std::int64_t rows = array.shape[last - 1], columns = array.shape[last];
  return computation.input(rows, columns, array.values.data() + iteration * rows * columns);
}

/// Memory of a step that works on golden batches.
struct GoldenRun {
  explicit GoldenRun(TrainingStep& step_) : step(step_), arena(step_.context().backend()) {}
  void bind(const NetworkStates& states) {
    const StackView<float> scale = arena.stack("scale", 1, 1, 1);
    const float one = 1.0f;
    context().backend().copy(scale.data, &one, sizeof one, context().stream());
    told = arena.stack("reports", 1, 1, StepTelemetry::values);
    context().synchronize();
    step.bind({}, states, scale, StepTelemetry::from(told));
  }
  Context& context() { return step.context(); }
  std::vector<float> read(StackView<const float> view) { return download_rows(context(), view.model(0)); }
  /// In the order of StepTelemetry.
  std::vector<float> reports() { return read(told); }

  TrainingStep& step;
  Arena arena;
  StackView<float> told;
};

/// Rows that no step draws from: the tests bring their own batches.
inline TrainingRows no_rows(Arena& arena, std::int64_t columns) { return arena.stack("rows", 1, 1, columns).model(0); }

/// After more than one step the bound is wider: Adam moves by about
/// rate * sign(gradient), and where a gradient is nearly zero its rounding
/// decides the step, so a stray element may be off by whole steps. The others
/// must be within 5 % of one step.
inline void expect_parameters(const std::vector<float>& found, const std::vector<double>& expected, double rate,
                              std::int64_t iterations) {
  std::size_t stray = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double off = std::abs(found[i] - expected[i]);
    ASSERT_LE(off, 2.0 * rate * static_cast<double>(iterations)) << i;
    stray += off > 0.05 * rate ? 1 : 0;
  }
  EXPECT_LE(stray, found.size() / 1000);
}

}  // namespace cugad::test
