#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <map>
#include <string>

#include "cugad/detector.hpp"
#include "cugad/device.hpp"
#include "host/options/recipe.hpp"

/// Flags of a sub-command, each kept as text under its name with underscores.
namespace cugad::cli {

class FlagSet {
 public:
  explicit FlagSet(CLI::App& app) : app_(&app) {}
  FlagSet(const FlagSet&) = delete;
  FlagSet& operator=(const FlagSet&) = delete;

  /// `--label-column C`. `type`: shown for the value in the help.
  void add_text(const std::string& name, const std::string& type, const std::string& help);
  /// `--quiet`, `--quiet=false`; if it is `usually` true also `--no-quiet`.
  void add_boolean(const std::string& name, const std::string& help, bool usually = false);
  /// One flag for each of cugad::option_list().
  void add_detector_options();
  /// Another help for a flag that means more in this sub-command.
  void describe(const std::string& name, const std::string& help);
  /// `--device`, `--precision` and `--threads`.
  void add_device();

  /// Takes the keys of a TOML file for all flags that are not on the command line. Unknown keys are a UsageError.
  void apply_config(const std::string& path);

  /// The flags that are set, as arguments of a shell: "--model m --quiet".
  std::string as_arguments() const;
  /// Whether the sub-command has such a flag.
  bool has(const std::string& name) const { return flags_.contains(name); }
  /// Whether the command line or the TOML file gave it.
  bool given(const std::string& name) const;
  const std::string& text(const std::string& name) const;
  /// UsageError unless the flag is set and not empty.
  const std::string& required_text(const std::string& name) const;
  bool boolean(const std::string& name) const { return text(name) == "true"; }
  /// The number, or `fallback` if the flag is not set; UsageError unless it is in [lowest, highest].
  std::int64_t integer(const std::string& name, std::int64_t fallback, std::int64_t lowest, std::int64_t highest) const;
  double number(const std::string& name, double lowest, double highest) const;
  /// The value of --threshold.
  float score_threshold() const;

  /// The flags over the preset (if not empty) or the method (if not empty), or else over the recipe that fits them; see
  /// choose_options(). Any error in them is a UsageError.
  ChosenOptions chosen_options(const std::string& preset, const std::string& method = "",
                               const std::string& image = "") const;
  /// The device that the flags of add_device() select.
  Device open_device() const;

 private:
  struct Flag {
    std::string flag_text, config_text;
    CLI::Option* option = nullptr;
    bool in_config = false;
    bool is_boolean = false;
  };
  bool on_command_line(const std::string& name) const { return flags_.at(name).option->count() > 0; }
  /// Steps and epochs set the same quantity: the one set closer to the user wins.
  void settle_duration(DetectorOptions& options) const;

  CLI::App* app_;
  std::map<std::string, Flag> flags_;
};

/// The names of all boolean flags that generated options have, as `--name`.
std::vector<std::string> boolean_option_flags();

/// Makes the detector; options that contradict each other are a UsageError.
Detector make_detector(const Device& device, const DetectorOptions& options);

}  // namespace cugad::cli
