#include "host/methods/translation.hpp"

#include "host/methods/gan_networks.hpp"

/// Pix2pix for columns (Isola 2017): source columns in, target columns out, scored by their residual.
namespace cugad {

void TranslationStep::add_generator_terms(std::int64_t, bool) {
  if (options_.contextual <= 0.0f) return;
  const int columns = networks_.columns;
  run(context_, DifferenceLoss{.a = generated_rows_.slice_columns(0, columns),
                               .b = real().slice_columns(0, columns),
                               .metric = Distance::l1,
                               .weight = options_.contextual,
                               .da = generated_gradient_.slice_columns(0, columns),
                               .db = {},
                               .accumulate = true,
                               .loss = {}});
}

extern const MethodDefinition translation_definition{.method = Method::translation,
                                                     .name = "translation",
                                                     .networks = gan_networks,
                                                     .step = make_step<TranslationStep>,
                                                     .steps = steps_as_given,
                                                     .has_prior = false};

}  // namespace cugad
