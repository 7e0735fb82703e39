#pragma once

#include "cugad/ops.hpp"
#include "kernels/elementary.hpp"

/// What all backends' latent searches share: which parts of the networks one needs, and the functions of the logit.
namespace cugad {

/// log(1 + exp(t)).
CUGAD_INLINE float softplus(float t) { return (t < 0.0f ? 0.0f : t) + log1p_unit(exp_negative(t < 0.0f ? t : -t)); }
CUGAD_INLINE float logistic_scalar(float t) {
  const float e = exp_negative(t < 0.0f ? t : -t);
  return t >= 0.0f ? 1.0f / (1.0f + e) : e / (1.0f + e);
}

constexpr bool uses_features(const LatentSearch& args) {
  return args.discrimination_kind >= Discrimination::feature_l1;
}
constexpr bool uses_logit(const LatentSearch& args) {
  return args.discrimination_kind == Discrimination::cross_entropy || args.prior_weight != 0.0f;
}
constexpr Distance feature_metric(Discrimination kind) {
  return kind == Discrimination::feature_l1   ? Distance::l1
         : kind == Discrimination::feature_l2 ? Distance::l2
                                              : Distance::squared;
}

/// Columns of z that move; the constants come after them.
constexpr std::int64_t free_columns(const LatentSearch& args) { return args.z.columns - args.fixed_columns; }

/// Layers of each kind of pass of one step.
struct SearchLayers {
  std::int32_t encoder = 0;    ///< of the encoder that computes z, if there is one
  std::int32_t generator = 0;  ///< of the generator
  std::int32_t features = 0;   ///< of the discriminator up to its features (0: not wanted)
  std::int32_t judged = 0;     ///< of the discriminator that look at G(z)
};

constexpr SearchLayers search_layers_of(const LatentSearch& args) {
  SearchLayers layers;
  layers.generator = args.generator.layers;
  if (uses_features(args)) layers.features = args.discriminator.layers - 1;
  layers.judged = uses_logit(args) ? args.discriminator.layers : layers.features;
  return layers;
}

}  // namespace cugad
