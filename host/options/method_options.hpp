#pragma once

#include <string>
#include <vector>

#include "cugad/detector.hpp"

/// Which options go together, and what they mean for each method.
namespace cugad {

/// Throws Error{invalid_argument} naming the option: a field outside its range (callers may set fields directly), or
/// options that do not go together, or a technique that a method does not have.
void check_options(const DetectorOptions& options);
/// The same for a model that is trained already: a technique that its method did not have did no harm.
void check_consistency(const DetectorOptions& options);

/// The methods of a detector: those that the options name, and knn if there are reference rows.
std::vector<Method> methods_of(const DetectorOptions& options);
/// Whether one of them trains networks, and whether one keeps training rows.
bool trains_networks(const DetectorOptions& options);
bool keeps_training_rows(const DetectorOptions& options);

/// Names of the parts that a score is the mean of: each method's score, or its distances.
std::vector<std::string> parts_of(const DetectorOptions& options);

/// The options of each method of an ensemble (of one: its own), with the method's usual score where none is named.
std::vector<DetectorOptions> options_of_methods(const DetectorOptions& resolved);

/// As options_to_json(), for hashes that outlive the names: each option by its oldest name, and none that came later
/// than the first hashes while it has its default.
std::string options_to_hash(const DetectorOptions& options);

/// Whether networks are given columns that they do not judge.
inline bool is_conditional(const DetectorOptions& options) {
  return !options.condition.empty() || !options.target.empty();
}

}  // namespace cugad
