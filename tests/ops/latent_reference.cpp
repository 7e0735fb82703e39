#include "tests/ops/latent_reference.hpp"

namespace cugad::test {
namespace {

/// The gradient at the network's input from the one at the output of layer `last`.
Row backward(const Network64& network, std::size_t last, const std::vector<Row>& outputs, Row gradient,
             const Rounding& rounding) {
  for (std::size_t l = last + 1; l-- > 0;) {
    const Layer64& layer = network[l];
    const Rounding in_layer = rounding.of_layer(layer.out);
    Row before(static_cast<std::size_t>(layer.in), 0.0), magnitude(before.size(), 0.0);
    for (std::size_t o = 0; o < gradient.size(); ++o) {
      const double dh = gradient[o] * activation_derivative(layer.activation, layer.slope, outputs[l][o]);
      if (dh == 0.0) continue;
      const double* weight = layer.weight.data() + o * before.size();
      for (std::size_t k = 0; k < before.size(); ++k) {
        const double term = in_layer.operand(dh) * in_layer.operand(weight[k]);
        before[k] += term;
        magnitude[k] += std::abs(term);
      }
    }
    for (std::size_t k = 0; k < before.size(); ++k) before[k] = rounding(before[k], magnitude[k]);
    gradient = std::move(before);
  }
  return gradient;
}

/// |a - b| under the metric over cells with a not NaN, each times its scale (empty: 1) and at most limit (0: no limit),
/// and its gradient with respect to b.
double distance(Distance metric, const Row& a, const Row& b, Row* gradient, const Row& scale = {}, double limit = 0.0) {
  double sum = 0.0;
  gradient->assign(b.size(), 0.0);
  for (std::size_t c = 0; c < a.size(); ++c) {
    if (std::isnan(a[c])) continue;
    const double factor = scale.empty() ? 1.0 : scale[c];
    double difference = (b[c] - a[c]) * factor;
    const bool limited = limit > 0.0 && std::abs(difference) > limit;
    if (limited) difference = std::copysign(limit, difference);
    sum += metric == Distance::l1 ? std::abs(difference) : difference * difference;
    (*gradient)[c] = metric == Distance::l1        ? static_cast<double>((difference > 0.0) - (difference < 0.0))
                     : metric == Distance::squared ? 2.0 * difference
                                                   : difference;
    (*gradient)[c] *= limited ? 0.0 : factor;
  }
  if (metric != Distance::l2) return sum;
  const double norm = std::sqrt(sum);
  for (double& g : *gradient) g = norm > 0.0 ? g / norm : 0.0;
  return norm;
}

}  // namespace

Network64 random_network(Random& random, const std::vector<std::int64_t>& widths, Activation hidden, Activation last) {
  Network64 network;
  for (std::size_t l = 1; l < widths.size(); ++l) {
    Layer64 layer;
    layer.in = widths[l - 1];
    layer.out = widths[l];
    layer.activation = l + 1 < widths.size() ? hidden : last;
    layer.slope = static_cast<double>(0.1f);
    const double deviation = std::sqrt(2.0 / static_cast<double>(layer.in));
    for (std::int64_t i = 0; i < layer.in * layer.out; ++i)
      layer.weight.push_back(static_cast<float>(random.normal() * deviation));
    for (std::int64_t i = 0; i < layer.out; ++i) layer.bias.push_back(static_cast<float>(0.3 * random.normal()));
    network.push_back(std::move(layer));
  }
  return network;
}

NetworkView network_view(const float* data, std::int64_t model_stride, const Network64& network) {
  NetworkView view;
  for (const Layer64& layer : network) {
    LayerView& at = view.layer[view.layers++];
    at.weight = data;
    at.bias = data + layer.in * layer.out;
    data += (layer.in + 1) * layer.out;
    at.model_stride = model_stride;
    at.in = static_cast<std::int32_t>(layer.in);
    at.out = static_cast<std::int32_t>(layer.out);
    at.activation = layer.activation;
    at.slope = static_cast<float>(layer.slope);
  }
  return view;
}

std::vector<Row> forward(const Network64& network, const Row& input, const Rounding& rounding) {
  std::vector<Row> outputs;
  const Row* x = &input;
  for (const Layer64& layer : network) {
    Row y(static_cast<std::size_t>(layer.out));
    const Rounding in_layer = rounding.of_layer(layer.out);
    for (std::size_t o = 0; o < y.size(); ++o) {
      double sum = layer.bias[o], magnitude = std::abs(sum);
      const double* weight = layer.weight.data() + o * x->size();
      for (std::size_t k = 0; k < x->size(); ++k) {
        const double term = in_layer.operand((*x)[k]) * in_layer.operand(weight[k]);
        sum += term;
        magnitude += std::abs(term);
      }
      const double h = activate(layer.activation, layer.slope, rounding(sum, magnitude));
      y[o] = is_curved(layer.activation) ? rounding(h, 1.0) : h;
    }
    outputs.push_back(std::move(y));
    x = &outputs.back();
  }
  return outputs;
}

Evaluation evaluate(const Network64& generator, const Network64& discriminator, const SearchSettings& settings,
                    const Row& x, const Row& z, const Rounding& rounding) {
  Evaluation result;
  const std::vector<Row> generated = forward(generator, z, rounding);
  result.reconstruction = generated.back();
  Row gradient;
  result.residual =
      distance(settings.residual_distance, x, result.reconstruction, &gradient, settings.column_scale, settings.limit);
  result.residual = rounding(result.residual, result.residual);
  for (double& g : gradient) g *= 1.0 - settings.lambda;

  const bool cross_entropy = settings.discrimination == Discrimination::cross_entropy;
  const bool features = settings.discrimination != Discrimination::none && !cross_entropy;
  double prior = 0.0;
  if (cross_entropy || features || settings.prior_weight != 0.0) {
    const std::vector<Row> judged = forward(discriminator, result.reconstruction, rounding);
    const auto add = [&](const Row& more) {
      for (std::size_t c = 0; c < gradient.size(); ++c) gradient[c] += more[c];
    };
    const double logit = judged.back()[0];
    double logit_gradient = -settings.prior_weight * logistic(logit);
    prior = settings.prior_weight * softplus(logit);
    if (cross_entropy) {
      result.discrimination = softplus(-logit);
      logit_gradient -= settings.lambda * logistic(-logit);
    }
    if (logit_gradient != 0.0)
      add(backward(discriminator, discriminator.size() - 1, judged, {rounding(logit_gradient, 1.0)}, rounding));
    if (features) {
      Row filled = x;
      for (std::size_t c = 0; c < filled.size(); ++c)
        if (std::isnan(filled[c])) filled[c] = result.reconstruction[c];
      const std::size_t hidden = discriminator.size() - 2;
      const Distance metric = settings.discrimination == Discrimination::feature_l1   ? Distance::l1
                              : settings.discrimination == Discrimination::feature_l2 ? Distance::l2
                                                                                      : Distance::squared;
      Row of_features;
      result.discrimination =
          distance(metric, forward(discriminator, filled, rounding)[hidden], judged[hidden], &of_features);
      for (double& g : of_features) g *= settings.lambda;
      add(backward(discriminator, hidden, judged, of_features, rounding));
    }
  }
  result.gradient = backward(generator, generator.size() - 1, generated, gradient, rounding);
  double square = 0.0;
  for (std::size_t j = 0; j < z.size() - settings.fixed_columns; ++j) {
    square += z[j] * z[j];
    result.gradient[j] += 2.0 * settings.latent_weight * z[j];
  }
  result.loss = (1.0 - settings.lambda) * result.residual + settings.lambda * result.discrimination - prior +
                settings.latent_weight * square;
  result.loss = rounding(result.loss, std::abs(result.loss) + prior);
  return result;
}

Found search(const Network64& generator, const Network64& discriminator, const SearchSettings& settings, const Row& x,
             const Row& start, const Rounding& rounding) {
  Row z = start, first(z.size(), 0.0), second(z.size(), 0.0);
  for (std::int64_t step = 0; step < settings.steps; ++step) {
    const Evaluation now = evaluate(generator, discriminator, settings, x, z, rounding);
    const double t = static_cast<double>(step + 1), rate = settings.rate.at(step);
    for (std::size_t j = 0; j < z.size() - settings.fixed_columns; ++j) {
      const double g = now.gradient[j];
      first[j] = settings.beta1 * first[j] + (1.0 - settings.beta1) * g;
      second[j] = settings.beta2 * second[j] + (1.0 - settings.beta2) * g * g;
      const double m = first[j] / (1.0 - std::pow(settings.beta1, t));
      const double v = second[j] / (1.0 - std::pow(settings.beta2, t));
      const double move = rate * m / (std::sqrt(v) + settings.epsilon);
      z[j] = rounding(z[j] - move, std::abs(z[j]) + std::abs(move));
      if (settings.latent_clip > 0.0) z[j] = std::clamp(z[j], -settings.latent_clip, settings.latent_clip);
    }
  }
  return {z, evaluate(generator, discriminator, settings, x, z, rounding)};
}

}  // namespace cugad::test
