#include "host/cli/idle_options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cugad/error.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

bool is_idle(const DetectorOptions& options, const std::string& name) {
  const std::vector<std::string> idle = options_without_effect(options);
  return std::find(idle.begin(), idle.end(), name) != idle.end();
}

/// Whether option `name` would matter if only `other` had that value.
bool matters_with(DetectorOptions options, const std::string& name, const std::string& other,
                  const std::string& value) {
  try {
    set_option(options, other, value);
  } catch (const Error&) {
    return false;
  }
  return !is_idle(options, name);
}

/// Values to try instead of the default: those of a choice, or any that turns the option on.
std::vector<std::string> values_of(const OptionInfo& option) {
  return split(option.choices.empty() ? "1" : option.choices, '|');
}

/// Why an option does nothing: beside which other one, or without which.
std::string reason(const FlagSet& flags, const DetectorOptions& options, const std::string& name) {
  const DetectorOptions defaults;
  for (const bool is_given : {true, false}) {  // options that the user typed come first as reasons
    for (const OptionInfo& other : option_list()) {
      const std::string value = get_option(options, other.name);
      if (other.name == name || other.name == "method" || flags.given(other.name) != is_given ||
          value == get_option(defaults, other.name))
        continue;
      if (!matters_with(options, name, other.name, get_option(defaults, other.name))) continue;
      return fmt::format("beside --{} {}", with_dashes(other.name), value);
    }
  }
  for (const bool has_choices : {true, false}) {
    for (const OptionInfo& other : option_list()) {
      const bool is_number = other.kind == "integer" || other.kind == "number";
      if (other.name == name || (has_choices ? other.choices.empty() : !is_number)) continue;
      std::string enough;
      for (const std::string& value : values_of(other)) {
        if (matters_with(options, name, other.name, value)) enough += (enough.empty() ? "" : " or ") + value;
      }
      if (enough.empty()) continue;
      if (other.name == "method" && std::count(enough.begin(), enough.end(), ' ') > 6) return "(most others have it)";
      // One number represents all that turn the option on.
      return fmt::format("without --{}{}", with_dashes(other.name), has_choices ? " " + enough : "");
    }
  }
  return "and the other settings";
}

}  // namespace

void warn_of_idle_options(const FlagSet& flags, const DetectorOptions& options) {
  for (const std::string& name : options_without_effect(options)) {
    if (!flags.given(name)) continue;
    print_note(fmt::format("cugad: warning: --{} has no effect with method {} {}", with_dashes(name),
                           get_option(options, "method"), reason(flags, options, name)));
  }
}

}  // namespace cugad::cli
