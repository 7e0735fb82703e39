#pragma once

#include <memory>
#include <span>

#include "host/training/training_step.hpp"

namespace cugad {

/// What training needs to know of a method; each is defined in its own file under host/methods.
struct MethodDefinition {
  Method method;
  const char* name;
  /// The networks on rows of `columns` columns, the last `condition` of which are conditions. Options are resolved.
  MethodNetworks (*networks)(const DetectorOptions& options, std::int64_t columns, std::int64_t condition);
  std::unique_ptr<TrainingStep> (*step)(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                                        const TrainingRows& rows, std::int64_t models);
  /// Steps of the whole training; more than options.steps where other networks are trained after the GAN.
  std::int64_t (*steps)(const DetectorOptions& options);
  bool has_prior = true;           ///< G maps latents of a known distribution to rows: it can be sampled
  bool stops_by_coverage = false;  ///< label-free stopping looks at how well generated rows cover the training rows
  bool scores_means = false;       ///< reconstruction scores add means, D's with kappa for lambda (Schlegl 2019)
};
const MethodDefinition& definition_of(Method method);
std::span<const MethodDefinition* const> method_definitions();

template <class Step>
std::unique_ptr<TrainingStep> make_step(Context context, const DetectorOptions& options, const MethodNetworks& networks,
                                        const TrainingRows& rows, std::int64_t models) {
  return std::make_unique<Step>(std::move(context), options, networks, rows, models);
}
inline std::int64_t steps_as_given(const DetectorOptions& options) { return options.steps; }

}  // namespace cugad
