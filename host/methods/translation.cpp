#include "host/methods/translation.hpp"

#include "host/methods/gan_networks.hpp"

/// Pix2pix for columns and images (Isola 2017): source in, target out, scored by their residual.
namespace cugad {

void TranslationStep::add_generator_terms(std::int64_t, bool) {
  if (options_.contextual <= 0.0f) return;
  const int columns = networks_.columns;
  DifferenceLoss residual;
  residual.a = generated_rows_.slice_columns(0, columns);
  residual.b = real().slice_columns(0, columns);
  residual.weight = options_.contextual;
  residual.da = generated_gradient_.slice_columns(0, columns);
  residual.accumulate = true;
  run(context_, residual);
}

namespace {

/// Isola 2016: no latent; the noise is dropout. Targets differ from their prediction: that is the score.
void settle_translation(DetectorOptions& options) {
  options.latent = 0;
  options.lambda = 0.0f;
  options.coverage = 0.0f;
  if (options.generator_dropout == 0.0f) options.generator_dropout = 0.1f;
  if (options.image) options.r1 = 0.0f;  // its discriminator has batch normalisation
}

}  // namespace

extern constinit const MethodDefinition translation_definition{
    .method = Method::translation,
    .name = "translation",
    .networks = gan_networks,
    .step = make_step<TranslationStep>,
    .scores = {ScoreRule::reconstruction},
    .options = {"generator_loss", "discriminator_steps", "negatives", "generator_dropout", "virtual_batch",
                "contextual", "target"},
    .has_prior = false,
    .takes_images = true,
    .settle = settle_translation,
};

}  // namespace cugad
