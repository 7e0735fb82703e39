#include <algorithm>
#include <cmath>
#include <utility>

#include "host/network/network.hpp"

/// From trained parameters with techniques to those of plain layers that score the same. On the host and in
/// double: every device gives the same weights.
namespace cugad {
namespace {

constexpr int most_iterations = 2000;
constexpr double enough = 1e-10;  ///< relative change of a singular value

/// One layer's weights, widened.
struct Dense {
  Dense(const Mlp& mlp, int l, const float* parameters)
      : in(mlp.fan_in(l)),
        out(mlp.units(l)),
        weight(parameters + mlp.weight_offset(l), parameters + mlp.weight_offset(l) + in * out),
        bias(parameters + mlp.bias_offset(l), parameters + mlp.bias_offset(l) + out) {}
  void write(const Mlp& mlp, int l, float* parameters) const {
    std::transform(weight.begin(), weight.end(), parameters + mlp.weight_offset(l),
                   [](double value) { return static_cast<float>(value); });
    std::transform(bias.begin(), bias.end(), parameters + mlp.bias_offset(l),
                   [](double value) { return static_cast<float>(value); });
  }
  /// Behind the layer: scale * (h - mean) / deviation + shift.
  void absorb(std::int64_t o, double scale, double shift, double mean, double deviation) {
    const double factor = scale / deviation;
    for (std::int64_t i = 0; i < in; ++i) weight[o * in + i] *= factor;
    bias[o] = (bias[o] - mean) * factor + shift;
  }
  std::int64_t in, out;
  std::vector<double> weight, bias;
};

double unit(std::vector<double>& x) {
  double squares = 0.0;
  for (const double value : x) squares += value * value;
  const double norm = std::sqrt(squares);
  for (double& value : x) value /= norm + 1e-12;
  return norm;
}

/// By power iterations from u until they converge.
double largest_singular_value(const Dense& layer, std::vector<double> u) {
  std::vector<double> v(static_cast<std::size_t>(layer.in));
  double sigma = 0.0;
  for (int i = 0; i < most_iterations; ++i) {
    std::fill(v.begin(), v.end(), 0.0);
    for (std::int64_t o = 0; o < layer.out; ++o)
      for (std::int64_t c = 0; c < layer.in; ++c) v[c] += u[o] * layer.weight[o * layer.in + c];
    unit(v);
    for (std::int64_t o = 0; o < layer.out; ++o) {
      u[o] = 0.0;
      for (std::int64_t c = 0; c < layer.in; ++c) u[o] += layer.weight[o * layer.in + c] * v[c];
    }
    const double now = unit(u);
    if (std::abs(now - sigma) <= enough * now) return now;
    sigma = now;
  }
  return sigma;
}

double activated(const LayerSpec& layer, double h) {
  switch (layer.activation) {
    case Activation::relu:
      return std::max(h, 0.0);
    case Activation::leaky_relu:
      return h > 0.0 ? h : double{layer.slope} * h;
    case Activation::sigmoid:
      return 1.0 / (1.0 + std::exp(-h));
    case Activation::tanh:
      return std::tanh(h);
    default:
      return h;
  }
}

/// x W^T + b for each row of x.
std::vector<double> outputs_of(const Dense& layer, const std::vector<double>& x) {
  const std::int64_t rows = static_cast<std::int64_t>(x.size()) / layer.in;
  std::vector<double> y(static_cast<std::size_t>(rows * layer.out));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t o = 0; o < layer.out; ++o) {
      double sum = layer.bias[o];
      for (std::int64_t i = 0; i < layer.in; ++i) sum += x[r * layer.in + i] * layer.weight[o * layer.in + i];
      y[r * layer.out + o] = sum;
    }
  }
  return y;
}

}  // namespace

void Part::fold(const float* trained, float* plain) const {
  std::copy_n(trained + offset, mlp.parameters(), plain);
  const std::int64_t reference_rows = techniques.reference_rows;
  std::vector<double> rows(trained + techniques.reference,
                           trained + techniques.reference + reference_rows * mlp.inputs());
  for (int l = 0; l < techniques.layers(); ++l) {
    const LayerTechniques& layer = techniques.layer[l];
    Dense dense(mlp, l, plain);
    if (layer.spectral) {
      const double sigma = largest_singular_value(dense, {trained + layer.u, trained + layer.u + dense.out});
      for (double& value : dense.weight) value = sigma > 0.0 ? value / sigma : 0.0;
    }
    const auto scale = [&](std::int64_t o) { return double{trained[layer.scale + o]}; };
    const auto shift = [&](std::int64_t o) { return double{trained[layer.shift + o]}; };
    const auto deviation = [&](double variance) { return std::sqrt(variance + double{techniques.epsilon}); };
    if (layer.rows == LayerTechniques::Rows::batch) {
      const std::int64_t channels = mlp.layer(l).out / layer.pixels;
      for (std::int64_t o = 0; o < dense.out; ++o) {
        const std::int64_t c = o % channels;  // a dense layer's outputs may be an image
        dense.absorb(o, scale(c), shift(c), trained[layer.moving_mean + c],
                     deviation(std::max(0.0f, trained[layer.moving_variance + c])));
      }
    } else if (layer.rows == LayerTechniques::Rows::reference) {
      const std::vector<double> before = outputs_of(dense, rows);
      for (std::int64_t o = 0; o < dense.out; ++o) {
        double mean = 0.0, variance = 0.0;
        for (std::int64_t r = 0; r < reference_rows; ++r) mean += before[r * dense.out + o];
        mean /= static_cast<double>(reference_rows);
        for (std::int64_t r = 0; r < reference_rows; ++r) variance += std::pow(before[r * dense.out + o] - mean, 2.0);
        dense.absorb(o, scale(o), shift(o), mean, deviation(variance / static_cast<double>(reference_rows)));
      }
    }
    if (l < techniques.reference_layers) {
      rows = outputs_of(dense, rows);
      for (double& value : rows) value = activated(mlp.layer(l), value);
    }
    for (std::int64_t o = 0; o < dense.out; ++o) {
      for (std::int64_t k = 0; k < layer.kernels; ++k) {
        dense.bias[o] += double{trained[layer.share + o * layer.kernels + k]} * trained[layer.moving_nearness + k];
      }
    }
    dense.write(mlp, l, plain);
  }
}

namespace {

Mlp without_normalisation(const Mlp& mlp) {
  std::vector<LayerSpec> layers;
  for (int l = 0; l < mlp.layers(); ++l) {
    layers.push_back(mlp.layer(l));
    layers.back().batch_norm = false;
  }
  return Mlp(mlp.inputs(), std::move(layers));
}

}  // namespace

Network Network::plain() const {
  Network plain;
  for (const Part& part : parts_) plain.add_part(part.name, without_normalisation(part.mlp));
  plain.add_techniques({});
  return plain;
}

Network Network::hidden() const {
  Network hidden = plain();
  std::vector<LayerSpec> layers;
  for (int l = 0; l + 1 < trunk().layers(); ++l) layers.push_back(trunk().layer(l));
  hidden.parts_.back().mlp = Mlp(trunk().inputs(), std::move(layers));
  return hidden;
}

std::vector<float> Network::fold(const std::vector<float>& trained) const {
  std::vector<float> plain(static_cast<std::size_t>(plain_));
  for (const Part& part : parts_) part.fold(trained.data(), plain.data() + part.offset);
  return plain;
}

}  // namespace cugad
