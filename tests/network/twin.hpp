#pragma once

#include <cmath>
#include <vector>

#include "cugad/network.hpp"
#include "tests/common/random_words.hpp"

namespace cugad::test {

/// A multi-layer perceptron in float64, one row at a time, without any code of the library: the reference of Mlp.
/// Parameters are flat: weight 0 [out, in], bias 0, weight 1, ...
class Twin {
 public:
  Twin(int in, std::vector<LayerSpec> layers) : in_(in), layers_(std::move(layers)) {}

  /// What one row does in the network: the output of each layer, and the factor of its derivative (activation times
  /// dropout).
  struct Trace {
    std::vector<std::vector<double>> output, slope;
  };

  /// `dropout` names the stream of layer 0 (null: none); the unit's place in it follows from `row`.
  Trace forward(const std::vector<double>& flat, const std::vector<double>& x, const RandomKey* dropout,
                std::uint64_t model, std::int64_t row) const {
    Trace trace;
    std::size_t at = 0;
    const std::vector<double>* before = &x;
    trace.output.resize(layers_.size());
    trace.slope.resize(layers_.size());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const auto out = static_cast<std::size_t>(layers_[l].out), in = before->size();
      for (std::size_t o = 0; o < out; ++o) {
        double h = flat[at + out * in + o];
        for (std::size_t i = 0; i < in; ++i) h += flat[at + o * in + i] * (*before)[i];
        const auto [value, derivative] = activate(layers_[l], h);
        const double kept = keeps(l, dropout, model, static_cast<std::uint64_t>(row) * out + o);
        trace.output[l].push_back(kept * value);
        trace.slope[l].push_back(kept * derivative);
      }
      at += out * (in + 1);
      before = &trace.output[l];
    }
    return trace;
  }

  /// d (weights . output) / dx.
  std::vector<double> input_gradient(const std::vector<double>& flat, const Trace& trace,
                                     std::vector<double> output_weights) const {
    std::size_t end = flat.size();
    for (std::size_t l = layers_.size(); l-- > 0;) {
      const auto out = static_cast<std::size_t>(layers_[l].out);
      const auto in = static_cast<std::size_t>(l == 0 ? in_ : layers_[l - 1].out);
      end -= out * (in + 1);
      std::vector<double> before(in, 0.0);
      for (std::size_t o = 0; o < out; ++o)
        for (std::size_t i = 0; i < in; ++i)
          before[i] += flat[end + o * in + i] * trace.slope[l][o] * output_weights[o];
      output_weights = std::move(before);
    }
    return output_weights;
  }

  /// 0 for a dropped unit, 1 / (1 - rate) for a kept one, 1 without dropout.
  double keeps(std::size_t l, const RandomKey* dropout, std::uint64_t model, std::uint64_t unit) const {
    const double rate = layers_[l].dropout;
    if (dropout == nullptr || rate == 0.0) return 1.0;
    RandomKey key = *dropout;
    key.lane += static_cast<std::uint32_t>(l);
    return random_word(key, model, unit) < rate * 4294967296.0 ? 0.0 : 1.0 / (1.0 - rate);
  }

 private:
  struct Activated {
    double value, derivative;
  };
  static Activated activate(const LayerSpec& layer, double h) {
    switch (layer.activation) {
      case Activation::identity:
        return {h, 1.0};
      case Activation::relu:
        return {h > 0.0 ? h : 0.0, h > 0.0 ? 1.0 : 0.0};
      case Activation::leaky_relu:
        return {h > 0.0 ? h : layer.slope * h, h > 0.0 ? 1.0 : layer.slope};
      case Activation::sigmoid: {
        const double value = 1.0 / (1.0 + std::exp(-h));
        return {value, value * (1.0 - value)};
      }
      case Activation::tanh:
        return {std::tanh(h), 1.0 - std::tanh(h) * std::tanh(h)};
    }
    return {h, 1.0};
  }

  int in_;
  std::vector<LayerSpec> layers_;
};

/// d f / d parameter by central differences.
template <class Function>
std::vector<double> central_differences(std::vector<double> at, Function&& f, double step = 1e-6) {
  std::vector<double> gradient;
  for (double& parameter : at) {
    const double kept = parameter;
    parameter = kept + step;
    const double above = f(at);
    parameter = kept - step;
    const double below = f(at);
    parameter = kept;
    gradient.push_back((above - below) / (2.0 * step));
  }
  return gradient;
}

}  // namespace cugad::test
