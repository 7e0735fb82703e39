#include "host/options/recipe.hpp"

#include <algorithm>

#include "cugad/error.hpp"
#include "host/floating_point.hpp"
#include "host/options/method_options.hpp"
#include "host/options/option_record.hpp"

namespace cugad {
namespace {

constexpr const char* images_preset = "images";
constexpr const char* translation_preset = "images-translation";

const std::string* value_of(const NamedOptions& named, const std::string& name) {
  const auto found = std::find_if(named.begin(), named.end(), [&](const auto& one) { return one.first == name; });
  return found == named.end() ? nullptr : &found->second;
}

void set_all(DetectorOptions& options, const NamedOptions& named) {
  for (const auto& [name, value] : named) set_option(options, name, value);
}

/// The preset for a detector of which no method is named. Distances over all columns cannot judge a row given its
/// condition, so conditional detectors have networks alone.
std::string recipe_for(const DetectorOptions& wanted, const NamedOptions& named) {
  if (wanted.image) return images_preset;
  if (!wanted.condition.empty()) return "gain-tables";
  return value_of(named, "reference_rows") != nullptr && wanted.reference_rows == 0 ? "tables-without-rows" : "tables";
}

/// Methods to which option `name` matters beside the other named ones: "anogan, gan".
std::string methods_that_read(const std::string& name, DetectorOptions options) {
  std::string methods;
  for (const MethodDefinition* method : all_methods()) {
    if (method->reads("target") && options.target.empty()) continue;
    options.method = method->method;
    const std::vector<std::string> idle = options_without_effect(options);
    if (std::find(idle.begin(), idle.end(), name) != idle.end()) continue;
    methods += (methods.empty() ? "" : ", ") + std::string(method->name);
  }
  return methods;
}

/// Longer trainings have a longer decay, as without a preset: beyond its end hardly anything is learnt.
void stretch_decay(DetectorOptions& options, const NamedOptions& named) {
  if (options.decay_steps == 0 || value_of(named, "decay_steps") != nullptr) return;
  if (value_of(named, "steps") != nullptr) options.decay_steps = std::max(options.decay_steps, options.steps);
  if (value_of(named, "epochs") != nullptr) options.decay_steps = 0;
}

/// Rejects named options that the recipe does not read: they were meant for another method.
void check_recipe(const ChosenOptions& chosen, const DetectorOptions& wanted, const NamedOptions& named) {
  const std::string recipe = "preset " + chosen.recipe + ", method " + get_option(chosen.options, "method");
  for (const std::string& name : options_without_effect(chosen.options)) {
    if (value_of(named, name) == nullptr) continue;
    const std::string methods = methods_that_read(name, wanted);
    if (methods.empty()) continue;  // other options disable it
    throw Error(ErrorCode::invalid_argument, "option '" + name + "' does not apply to the default (" + recipe +
                                                 "), expected a method that has it: --method " + methods);
  }
  try {
    check_options(chosen.options);
  } catch (const Error& error) {
    throw Error(error.code(), std::string(error.what()) +
                                  "; no method is given (--method), so the default was taken (" + recipe + ")");
  }
}

}  // namespace

std::string describe_recipe() {
  const std::string recipe = recipe_for({}, {});
  DetectorOptions options;
  apply_preset(options, recipe);
  return "Without --method and --preset: preset " + recipe + " (method " + get_option(options, "method") + ", " +
         get_option(options, "steps") + " steps)";
}

void check_method_of_preset(const std::string& preset, const NamedOptions& named) {
  const std::string* method = value_of(named, "method");
  if (preset.empty() || method == nullptr) return;
  DetectorOptions of_preset, given;
  apply_preset(of_preset, preset);
  set_option(given, "method", *method);
  const std::string expected = get_option(of_preset, "method");
  if (get_option(given, "method") == expected) return;
  throw Error(ErrorCode::invalid_argument, "method is '" + *method + "', but preset '" + preset +
                                               "' holds settings of method '" + expected +
                                               "': give the preset or the method");
}

ChosenOptions choose_options(const std::string& preset, const NamedOptions& named) {
  const FloatingPointEnvironment environment;
  ChosenOptions chosen;
  DetectorOptions wanted;
  set_all(wanted, named);
  check_method_of_preset(preset, named);
  const bool is_any_named = !preset.empty() || value_of(named, "method") != nullptr;
  if (!is_any_named && !wanted.target.empty()) {
    chosen.options.method = Method::translation;
  } else if (!is_any_named) {
    chosen.recipe = recipe_for(wanted, named);
  }
  const bool translates = definition_of(is_any_named ? wanted.method : chosen.options.method).reads("target");
  // Of images, whatever the method.
  const std::string start = !preset.empty() ? preset
                            : !wanted.image ? chosen.recipe
                            : translates    ? translation_preset
                                            : images_preset;
  if (!start.empty()) apply_preset(chosen.options, start);
  set_all(chosen.options, named);
  if (chosen.options.image && definition_of(chosen.options.method).reads("target") && chosen.options.target.empty())
    chosen.options.target = {"right"};
  if (!start.empty()) stretch_decay(chosen.options, named);
  if (!chosen.recipe.empty()) check_recipe(chosen, wanted, named);
  return chosen;
}

DetectorOptions default_options() { return choose_options("", {}).options; }

}  // namespace cugad
