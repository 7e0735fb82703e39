#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "host/training/method_networks.hpp"
#include "tests/common/npz.hpp"

/// Networks and batches of golden files, whose weights are [in, out] and whose arrays have names.
namespace cugad::test {

using Arrays = std::map<std::string, Array>;

/// The names of the weight and bias of each layer of a network, in the order of its parts.
using LayerNames = std::vector<std::pair<std::string, std::string>>;

/// "<prefix>_W1", "<prefix>_b1", ... for the layers of a network without branches.
inline LayerNames numbered_layers(int layers) {
  LayerNames names;
  for (int l = 1; l <= layers; ++l) names.emplace_back("_W" + std::to_string(l), "_b" + std::to_string(l));
  return names;
}

/// A network's flat buffers, filled from and compared with the arrays "<prefix><name>".
struct GoldenNetwork {
  GoldenNetwork(const Network& network_, LayerNames names_)
      : network(network_), names(std::move(names_)), parameter(size()), first(size()), second(size()) {}

  std::size_t size() const { return static_cast<std::size_t>(network.parameters()); }
  StackView<float> view(std::vector<float>& memory) { return {memory.data(), 1, 1, network.parameters()}; }
  NetworkState state() { return {view(parameter), view(first), view(second), {}}; }

  /// Calls action(offset of the weight, in, out, offset of the bias, layer's number in all parts).
  template <class Action>
  void for_each_layer(Action&& action) const {
    std::size_t at = 0;
    for (const Network::Part& part : network.parts())
      for (int l = 0; l < part.mlp.layers(); ++l)
        action(part.offset + part.mlp.weight_offset(l), part.mlp.layer_inputs(l), part.mlp.layer(l).out,
               part.offset + part.mlp.bias_offset(l), at++);
  }
  /// The golden parameters (or gradients) in the library's layout: weights transposed to [out, in].
  std::vector<double> flattened(const Arrays& arrays, const std::string& prefix) const {
    std::vector<double> flat(size());
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
  void load(const Arrays& arrays, const std::string& prefix) {
    const std::vector<double> flat = flattened(arrays, prefix);
    std::copy(flat.begin(), flat.end(), parameter.begin());
  }
  /// Relative to the element, or to a hundredth of its tensor's largest element: a gradient is a sum over the batch,
  /// and an element that is small because its terms cancel keeps the rounding of the terms, which are of the others'
  /// size.
  void expect_gradient(const float* found, const std::vector<double>& expected, double bound = 1e-5) const {
    for_each_layer([&](std::int64_t weight_at, std::int64_t, std::int64_t out, std::int64_t bias_at, std::size_t l) {
      const std::int64_t ends[] = {weight_at, bias_at, bias_at + out};
      for (int part = 0; part < 2; ++part) {
        double largest = 0.0;
        for (std::int64_t i = ends[part]; i < ends[part + 1]; ++i)
          largest = std::max(largest, std::abs(expected[static_cast<std::size_t>(i)]));
        ASSERT_GT(largest, 0.0);
        for (std::int64_t i = ends[part]; i < ends[part + 1]; ++i) {
          const double value = expected[static_cast<std::size_t>(i)];
          ASSERT_NEAR(found[i], value, bound * std::max(std::abs(value), 0.01 * largest))
              << (part == 0 ? names[l].first : names[l].second) << " " << i - ends[part];
        }
      }
    });
  }

  const Network& network;
  LayerNames names;
  std::vector<float> parameter, first, second;
};

inline void fill(const StackView<float>& view, const Array& array, std::int64_t iteration = 0) {
  const double* from = array.values.data() + iteration * view.rows * view.columns;
  for (std::int64_t r = 0; r < view.rows; ++r)
    for (std::int64_t c = 0; c < view.columns; ++c) view.model(0).row(r)[c] = static_cast<float>(*from++);
}

/// Adam's first steps are about rate * sign(gradient): where a gradient is nearly zero its rounding decides the step,
/// so a stray element may be off by whole steps. The others must be within 5 % of one step.
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
