#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "host/training/training_step.hpp"

namespace cugad {

inline std::int64_t steps_as_given(const DetectorOptions& options) { return options.steps; }

/// The record of a method, defined in the method's own file under host/methods: the only place that knows what sets it
/// apart from the others.
struct MethodDefinition {
  Method method;
  const char* name;
  /// The networks on rows of `columns` columns, the last `condition` of which are conditions. Options are resolved.
  MethodNetworks (*networks)(const DetectorOptions& options, std::int64_t columns, std::int64_t condition);
  /// Null: nothing is trained, and the model keeps training rows instead.
  std::unique_ptr<TrainingStep> (*step)(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                                        const TrainingRows& rows, std::int64_t models);
  std::initializer_list<ScoreRule> scores;  ///< the first is the usual one
  /// Names of the options that this method reads and others do not. Options that follow from the flags below, such as
  /// encoder_hidden, are not listed. Of a method that trains nothing: all that it reads.
  std::initializer_list<const char*> options;
  /// Steps of the whole training; more than options.steps if other networks are trained after the GAN.
  std::int64_t (*steps)(const DetectorOptions& options) = steps_as_given;
  bool has_prior = true;  ///< G maps latents of a known distribution to rows: it can be sampled
  bool has_encoder = false;
  bool judges_pairs = false;       ///< the discriminator judges pairs (x, z)
  bool judges_cells = false;       ///< the generator sees rows, and the discriminator has a logit for each cell
  bool takes_images = false;       ///< rows may be images, and layers convolutions and normalised ones
  bool stops_by_coverage = false;  ///< label-free stopping looks at how well generated rows cover the training rows
  bool scores_means = false;       ///< reconstruction scores add means, D's with kappa for lambda (Schlegl 2019)
  /// Whether the loss compares features of the discriminator, whatever `generator_loss` is.
  bool (*matches_features)(const DetectorOptions& options) = [](const DetectorOptions&) { return false; };
  /// Sets the options that the method alone decides.
  void (*settle)(DetectorOptions& options) = [](DetectorOptions&) {};

  bool trains() const { return step != nullptr; }
  bool has_latent() const { return has_prior || has_encoder; }
  bool can_score(ScoreRule rule) const;
  bool reads(std::string_view option) const;
};

template <class Step>
std::unique_ptr<TrainingStep> make_step(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                                        const TrainingRows& rows, std::int64_t models) {
  return std::make_unique<Step>(std::move(context), options, networks, rows, models);
}

}  // namespace cugad
