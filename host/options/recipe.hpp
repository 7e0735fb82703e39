#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cugad/detector.hpp"

namespace cugad {

/// Options that a user names, each with its value as text.
using NamedOptions = std::vector<std::pair<std::string, std::string>>;

struct ChosenOptions {
  DetectorOptions options;
  std::string recipe;  ///< the preset that was taken because neither a preset nor a method is named; else empty
};

/// The named options over the preset of that name, or else over the defaults of the method that is among them, or else
/// over the recipe that fits them. Throws Error{invalid_argument} as options_from_json().
ChosenOptions choose_options(const std::string& preset, const NamedOptions& named);

/// What is taken if neither a method nor a preset is named, for people.
std::string describe_recipe();

/// Throws Error{invalid_argument} if a method is named that is not the preset's: its settings belong to its own.
void check_method_of_preset(const std::string& preset, const NamedOptions& named);

}  // namespace cugad
