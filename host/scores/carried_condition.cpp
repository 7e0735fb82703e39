#include "host/scores/carried_condition.hpp"

#include <algorithm>
#include <utility>

#include "cugad/error.hpp"

namespace cugad {
namespace {

/// With f(x) = x for x > 0, else s x: c = (f(c) - f(-c)) / (1 + s).
float slope_of(const LayerSpec& layer) {
  switch (layer.activation) {
    case Activation::relu:
      return 0.0f;
    case Activation::leaky_relu:
      return layer.slope;
    default:
      throw Error(ErrorCode::unsupported, "conditions take networks with hidden layers of ReLU or leaky ReLU");
  }
}

}  // namespace

CarriedCondition::CarriedCondition(const Mlp& from_, int outputs_, int condition_)
    : from(from_), outputs(outputs_), condition(condition_) {
  std::vector<LayerSpec> layers;
  for (int l = 0; l + 1 < from.layers(); ++l) {
    layers.push_back(from.layer(l));
    slope_of(layers.back());
    layers.back().out += 2 * condition;
  }
  layers.push_back(from.layer(from.layers() - 1));
  if (layers.back().activation != Activation::identity) {
    throw Error(ErrorCode::unsupported,
                "conditions take networks whose last layer is linear: set generator_tanh and encoder_tanh = false");
  }
  layers.back().out = outputs + condition;
  network = Mlp(from.inputs(), std::move(layers));
}

std::vector<float> CarriedCondition::parameters(const float* flat) const {
  std::vector<float> values(static_cast<std::size_t>(network.parameters()), 0.0f);
  for (int l = 0; l < from.layers(); ++l) {
    const bool is_last = l + 1 == from.layers();
    const int in = from.layer_inputs(l), wide = network.layer_inputs(l);
    const int kept = is_last ? outputs : from.layer(l).out;
    float* weight = values.data() + network.weight_offset(l);
    for (int j = 0; j < kept; ++j) {
      std::copy_n(flat + from.weight_offset(l) + static_cast<std::int64_t>(j) * in, in,
                  weight + static_cast<std::int64_t>(j) * wide);
    }
    std::copy_n(flat + from.bias_offset(l), kept, values.data() + network.bias_offset(l));
    const float share = l == 0 ? 1.0f : 1.0f / (1.0f + slope_of(from.layer(l - 1)));
    for (int k = 0; k < condition; ++k) {
      for (int negative = 0; negative < (is_last ? 1 : 2); ++negative) {
        float* row = weight + static_cast<std::int64_t>(kept + negative * condition + k) * wide;
        const float c = negative == 0 ? share : -share;
        row[l == 0 ? in - condition + k : in + k] = c;
        if (l > 0) row[in + condition + k] = -c;
      }
    }
  }
  return values;
}

}  // namespace cugad
