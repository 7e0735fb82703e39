#include "host/methods/gan_networks.hpp"

namespace cugad {

Network generator_network(const DetectorOptions& options, int inputs, int outputs) {
  std::vector<LayerSpec> layers;
  for (int width : options.hidden) layers.push_back({width, Activation::relu, 0.0f, options.generator_dropout});
  layers.push_back({outputs, options.generator_tanh ? Activation::tanh : Activation::identity, 0.0f, 0.0f});
  return Network(Mlp(inputs, layers), {.virtual_batch = options.virtual_batch});
}

Network encoder_network(const DetectorOptions& options, int inputs, int outputs) {
  std::vector<LayerSpec> layers;
  for (int width : options.encoder_hidden) layers.push_back({width, Activation::leaky_relu, options.slope, 0.0f});
  layers.push_back({outputs, options.encoder_tanh ? Activation::tanh : Activation::identity, 0.0f, 0.0f});
  return Network(Mlp(inputs, layers), {.spectral_norm = options.spectral_norm});
}

Techniques discriminator_techniques(const DetectorOptions& options) {
  return {.spectral_norm = options.spectral_norm,
          .batch_norm = options.batch_norm,
          .minibatch_kernels = options.minibatch_kernels,
          .minibatch_dimensions = options.minibatch_dimensions,
          .part_rows = options.batch};
}

Network joint_discriminator_network(const DetectorOptions& options, int columns, int latent) {
  const auto leaky = [&](const std::vector<int>& widths, float dropout) {
    std::vector<LayerSpec> layers;
    for (int width : widths) layers.push_back({width, Activation::leaky_relu, options.slope, dropout});
    return layers;
  };
  // ALAD's data branch has normalisation in dropout's place.
  const Mlp data(columns, leaky(options.data_branch, options.batch_norm ? 0.0f : options.dropout));
  const Mlp latents(latent, leaky(options.latent_branch, options.dropout));
  std::vector<LayerSpec> trunk = leaky(options.discriminator_hidden, options.dropout);
  trunk.push_back({1, Activation::identity, 0.0f, 0.0f});
  return Network(data, latents, Mlp(data.outputs() + latents.outputs(), trunk), discriminator_techniques(options));
}

MethodNetworks gan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  MethodNetworks networks;
  networks.columns = static_cast<int>(columns - condition);
  networks.condition = static_cast<int>(condition);
  networks.latent = options.latent;
  networks[Role::generator] = generator_network(options, options.latent + networks.condition, networks.columns);
  std::vector<LayerSpec> layers;
  for (int width : options.discriminator_hidden) {
    layers.push_back({width, Activation::leaky_relu, options.slope, options.dropout});
  }
  layers.push_back({1, Activation::identity, 0.0f, 0.0f});
  networks[Role::discriminator] = Network(Mlp(static_cast<int>(columns), layers), discriminator_techniques(options));
  return networks;
}

}  // namespace cugad
