#pragma once

#include <algorithm>
#include <bit>

#include "tests/emulator/resident_fixture.hpp"

/// The reference of the resident search in bfloat16.
namespace cugad::resident_test {

using Row = std::vector<double>;

inline double rounded(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  return static_cast<double>(std::bit_cast<float>((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u));
}
inline Row rounded(Row values) {
  for (double& value : values) value = rounded(value);
  return values;
}

/// One query's search in float64 with every operand of a product rounded to bfloat16 (or nothing rounded at all).
class RoundedSearch {
 public:
  RoundedSearch(const Search& search, bool rounds)
      : options_(search.options),
        generator_(view_of(search.generator.data(), options_.generator, Activation::relu)),
        discriminator_(view_of(search.discriminator.data(), options_.discriminator, Activation::leaky_relu)),
        rounds_(rounds) {}

  Row operator()(const float* x, const float* start) const {
    const auto latent = static_cast<std::size_t>(options_.generator.front());
    Row z(start, start + latent), first(latent, 0.0), second(latent, 0.0);
    const Row query(x, x + options_.generator.back());
    const Row wanted = features(query).back();
    for (int step = 0; step < options_.steps; ++step) {
      const Row gradient = gradient_at(query, wanted, z);
      const double rate = step < 3 ? 0.05 : 0.02;
      for (std::size_t j = 0; j < latent; ++j) {
        first[j] = 0.9 * first[j] + 0.1 * gradient[j];
        second[j] = 0.999 * second[j] + 0.001 * gradient[j] * gradient[j];
        const double m = first[j] / (1.0 - std::pow(0.9, step + 1)), v = second[j] / (1.0 - std::pow(0.999, step + 1));
        z[j] -= rate * m / (std::sqrt(v) + 1e-8);
      }
    }
    return z;
  }

 private:
  Row operand(Row values) const { return rounds_ ? rounded(std::move(values)) : values; }
  double weight(const LayerView& layer, std::size_t out, std::size_t in) const {
    const auto value = static_cast<double>(layer.weight[out * static_cast<std::size_t>(layer.in) + in]);
    return rounds_ ? rounded(value) : value;
  }
  /// Outputs of the first `layers` layers.
  std::vector<Row> forward(const NetworkView& network, int layers, Row input) const {
    std::vector<Row> outputs;
    for (int l = 0; l < layers; ++l) {
      const LayerView& layer = network.layer[l];
      input = operand(std::move(input));
      Row y(static_cast<std::size_t>(layer.out));
      for (std::size_t o = 0; o < y.size(); ++o) {
        y[o] = static_cast<double>(layer.bias[o]);
        for (std::size_t k = 0; k < input.size(); ++k) y[o] += input[k] * weight(layer, o, k);
        y[o] *= slope(layer, y[o]);
      }
      outputs.push_back(y);
      input = std::move(y);
    }
    return outputs;
  }
  static double slope(const LayerView& layer, double h) {
    return h > 0.0 || layer.activation == Activation::identity ? 1.0
           : layer.activation == Activation::relu              ? 0.0
                                                               : static_cast<double>(layer.slope);
  }
  Row backward(const NetworkView& network, const std::vector<Row>& outputs, Row gradient) const {
    for (std::size_t l = outputs.size(); l-- > 0;) {
      const LayerView& layer = network.layer[l];
      for (std::size_t o = 0; o < gradient.size(); ++o) gradient[o] *= slope(layer, outputs[l][o]);
      gradient = operand(std::move(gradient));
      Row before(static_cast<std::size_t>(layer.in), 0.0);
      for (std::size_t o = 0; o < gradient.size(); ++o)
        for (std::size_t k = 0; k < before.size(); ++k) before[k] += gradient[o] * weight(layer, o, k);
      gradient = std::move(before);
    }
    return gradient;
  }
  std::vector<Row> features(const Row& x) const { return forward(discriminator_, discriminator_.layers - 1, x); }
  Row gradient_at(const Row& x, const Row& wanted, const Row& z) const {
    const std::vector<Row> generated = forward(generator_, generator_.layers, z);
    const std::vector<Row> judged = features(generated.back());
    const auto sign = [](double value) { return static_cast<double>((value > 0.0) - (value < 0.0)); };
    Row of_features(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) of_features[i] = 0.3 * sign(judged.back()[i] - wanted[i]);
    Row gradient = backward(discriminator_, judged, of_features);
    for (std::size_t i = 0; i < x.size(); ++i) gradient[i] += 0.7 * sign(generated.back()[i] - x[i]);
    return backward(generator_, generated, gradient);
  }

  const Options& options_;
  NetworkView generator_, discriminator_;
  bool rounds_;
};

struct Deviation {
  double median, ninth, largest;
};
inline Deviation deviation(const Search& search, const Search& found, bool rounds) {
  const RoundedSearch reference(search, rounds);
  std::vector<double> differences;
  const auto latent = static_cast<std::size_t>(search.latent()), columns = static_cast<std::size_t>(search.columns());
  for (std::size_t r = 0; r < search.x.size() / columns; ++r) {
    const Row z = reference(search.x.data() + r * columns, search.z.data() + r * latent);
    for (std::size_t j = 0; j < latent; ++j)
      differences.push_back(std::abs(z[j] - static_cast<double>(found.z[r * latent + j])));
  }
  std::sort(differences.begin(), differences.end());
  return {differences[differences.size() / 2], differences[differences.size() * 9 / 10], differences.back()};
}

}  // namespace cugad::resident_test
