#pragma once

#include <string>
#include <vector>

#include "host/cli/flags.hpp"
#include "host/cli/reproduce/protocol_run.hpp"

/// The choices of the flags of `cugad reproduce`. A flag that does not apply to the protocol is a UsageError.
namespace cugad::cli {

void add_reproduce_flags(FlagSet& flags);

/// The settings to run: those of the presets `<protocol>-faithful` and `<protocol>-recommended` that exist, or the
/// defaults.
std::vector<Contestant> chosen_settings(const FlagSet& flags, const Protocol& protocol);
RunChoices run_choices(const FlagSet& flags, const Protocol& protocol);

/// For the comparison: each method with its defaults, and the protocols.
std::vector<Contestant> chosen_methods(const FlagSet& flags);
std::vector<std::string> chosen_protocols(const FlagSet& flags);
/// Only the published protocol; Arrhythmia by random splits of normal rows, which are more informative than the
/// released one.
RunChoices comparison_choices(const FlagSet& flags, const Protocol& protocol);
void check_comparison_flags(const FlagSet& flags);

}  // namespace cugad::cli
