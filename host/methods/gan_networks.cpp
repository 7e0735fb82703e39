#include "host/methods/gan_networks.hpp"

#include "host/methods/layer_lists.hpp"
#include "host/methods/methods.hpp"

namespace cugad {
namespace {

/// Normalisations of networks on images have the constants of their authors' code: torch's, or TensorFlow's (EGBAD),
/// which are the defaults.
Techniques with_constants(const DetectorOptions& options, Techniques techniques) {
  if (!options.image || definition_of(options.method).judges_pairs) return techniques;
  techniques.epsilon = 1e-5f;
  techniques.momentum = 0.9f;
  return techniques;
}

}  // namespace

Network generator_network(const DetectorOptions& options, int inputs, int outputs) {
  const HiddenForm form{.activation = Activation::relu, .slope = options.slope, .dropout = options.generator_dropout};
  const Activation last = options.generator_tanh ? Activation::tanh : Activation::identity;
  const bool translates = options.image && !options.target.empty();
  const std::optional<ImageShape> image = judged_image(options);
  return Network(
      Mlp(inputs, translates ? layers_between_images("generator_hidden", options.hidden, *image, form, last)
                             : layers_to_rows("generator_hidden", options.hidden, image, outputs, form, last)),
      with_constants(options, {.virtual_batch = options.virtual_batch}));
}

Network encoder_network(const DetectorOptions& options, int inputs, int outputs) {
  const LayerSpec output{outputs, options.encoder_tanh ? Activation::tanh : Activation::identity, 0.0f, 0.0f};
  return Network(Mlp(inputs, layers_on_rows("encoder_hidden", options.encoder_hidden, row_form(options, inputs),
                                            {.slope = options.slope}, output)),
                 with_constants(options, {.spectral_norm = options.spectral_norm, .part_rows = options.batch}));
}

Techniques discriminator_techniques(const DetectorOptions& options) {
  return with_constants(options, {.spectral_norm = options.spectral_norm,
                                  .batch_norm = options.batch_norm,
                                  .minibatch_kernels = options.minibatch_kernels,
                                  .minibatch_dimensions = options.minibatch_dimensions,
                                  .part_rows = options.batch});
}

Network joint_discriminator_network(const DetectorOptions& options, int columns, int latent) {
  const HiddenForm form{.slope = options.slope, .dropout = options.dropout};
  HiddenForm of_data = form;
  if (options.batch_norm) of_data.dropout = 0.0f;  // ALAD's data branch has normalisation in dropout's place
  const Mlp data(columns, layers_on_rows("data_branch", options.data_branch, row_form(options, columns), of_data));
  const Mlp latents(latent, layers_on_rows("latent_branch", options.latent_branch, {}, form));
  const std::vector<LayerSpec> trunk =
      layers_on_rows("discriminator_hidden", options.discriminator_hidden, {}, form, LayerSpec());
  return Network(data, latents, Mlp(data.outputs() + latents.outputs(), trunk), discriminator_techniques(options));
}

MethodNetworks gan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  MethodNetworks networks;
  networks.columns = static_cast<int>(columns - condition);
  networks.condition = static_cast<int>(condition);
  networks.latent = options.latent;
  networks[Role::generator] = generator_network(options, options.latent + networks.condition, networks.columns);
  const HiddenForm form{.slope = options.slope, .dropout = options.dropout};
  const RowForm rows = row_form(options, static_cast<int>(columns));
  const std::vector<LayerSpec> layers =
      rows.has_second_image
          ? layers_to_map("discriminator_hidden", options.discriminator_hidden, rows, form)
          : layers_on_rows("discriminator_hidden", options.discriminator_hidden, rows, form, LayerSpec());
  networks[Role::discriminator] = Network(Mlp(static_cast<int>(columns), layers), discriminator_techniques(options));
  return networks;
}

}  // namespace cugad
