#include "host/cli/reproduce/choices.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host/cli/command.hpp"
#include "host/cli/reproduce/comparison.hpp"
#include "host/cli/text.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t most_rows = 1'000'000'000, most_splits = 10'000;
constexpr std::int64_t comparison_splits = 10;
/// The method that the default was before, whose settings take any flag.
constexpr const char* beside_the_default = "anogan";

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::vector<std::string> offered_settings(const Protocol& protocol) {
  std::vector<std::string> offered;
  for (const char* name : {"faithful", "recommended"}) {
    if (contains(presets(), protocol.name + "-" + name)) offered.emplace_back(name);
  }
  return offered;
}

std::vector<std::int64_t> chosen_digits(const FlagSet& flags) {
  std::vector<std::int64_t> digits;
  for (const std::string& text : split_list(flags.text("digits"))) {
    if (text.size() != 1 || text[0] < '0' || text[0] > '9') {
      throw UsageError(fmt::format("--digits must be digits from 0 to 9, not '{}'", text));
    }
    const std::int64_t digit = text[0] - '0';
    if (std::find(digits.begin(), digits.end(), digit) == digits.end()) digits.push_back(digit);
  }
  if (digits.empty()) throw UsageError("--digits needs at least one digit");
  return digits;
}

std::int64_t chosen_rows(const FlagSet& flags, std::int64_t fallback) {
  return flags.text("rows") == "all" ? 0 : flags.integer("rows", fallback, 100, most_rows);
}

/// The choices that `protocol` understands.
RunChoices known_choices(const FlagSet& flags, const Protocol& protocol) {
  RunChoices choices;
  choices.data.data = flags.required_text("data");
  if (protocol.has_rows) choices.data.rows = chosen_rows(flags, protocol.rows);
  if (protocol.has_splits) choices.data.splits = flags.integer("splits", 0, 0, most_splits);
  if (protocol.has_splits) choices.data.normals_only = flags.boolean("normals_only");
  if (protocol.has_digits && flags.given("digits")) choices.data.digits = chosen_digits(flags);
  choices.seeds = flags.integer("seeds", protocol.seeds, 1, 1000);
  choices.first_seed = flags.given("seed") ? flags.chosen_options("", beside_the_default).options.seed : 0;
  choices.quiet = flags.boolean("quiet");
  return choices;
}

void refuse(const FlagSet& flags, const std::string& name, const std::string& reason) {
  if (flags.given(name)) throw UsageError(fmt::format("--{} {}", with_dashes(name), reason));
}

std::vector<std::string> known_methods() {
  for (const OptionInfo& info : option_list()) {
    if (info.name != "method") continue;
    std::string choices = info.choices;
    std::replace(choices.begin(), choices.end(), '|', ',');
    return split_list(choices);
  }
  return {};
}

/// The parts of a list flag, or all that are `known`.
std::vector<std::string> chosen_of(const FlagSet& flags, const std::string& name,
                                   const std::vector<std::string>& known) {
  if (!flags.given(name)) return known;
  std::vector<std::string> chosen;
  for (const std::string& part : split_list(flags.text(name))) {
    if (!contains(known, part)) {
      throw UsageError(fmt::format("--{} must be of {}, not '{}'", name, fmt::join(known, ", "), part));
    }
    if (!contains(chosen, part)) chosen.push_back(part);
  }
  if (chosen.empty()) throw UsageError(fmt::format("--{} is empty", name));
  return chosen;
}

/// "steps = 100, batch = 64": the options that flags set, in any setting.
std::string changes_by_flags(const FlagSet& flags, const DetectorOptions& options) {
  std::string changes;
  for (const OptionInfo& info : option_list()) {
    if (info.name == "seed" || info.name == "method" || !flags.given(info.name)) continue;
    changes += fmt::format("{}{} = {}", changes.empty() ? "" : ", ", info.name, get_option(options, info.name));
  }
  return changes;
}

}  // namespace

void add_reproduce_flags(FlagSet& flags) {
  flags.add_text("data", "DIR",
                 "Folder of the data sets: kdd99/kddcup.data_10_percent.gz, arrhythmia/arrhythmia.npz, adbench/*.npz, "
                 "mnist/t10k-*-ubyte.gz");
  flags.add_text(
      "setting", "NAME",
      "faithful: the reference's settings; recommended: ours; both; default: as cugad train with your flags, "
      "for any method [both, where the protocol has them; adbench: default, and anogan beside it]");
  flags.add_text("seeds", "N", "Number of seeds [kdd99: 1, the others: 3]");
  flags.add_text(
      "rows", "N|all",
      "A fixed random sample of so many rows [kdd99: 50000 for testing, adbench: 20000 per set, mnist: all]");
  flags.add_text("splits", "N", "arrhythmia: also random splits 0 to N - 1 [0; comparison: 10]");
  flags.add_boolean("normals_only", "arrhythmia: no anomaly among the training rows");
  flags.add_text("digits", "D,D", "mnist: the digits that are the anomaly, one at a time [all ten]");
  flags.add_text("methods", "M,M", "comparison: the methods [all]");
  flags.add_text("protocols", "P,P", "comparison: of kdd99, arrhythmia, adbench, mnist-dense [all]");
  flags.add_text("state", "FILE", "Keep finished results in this file; the same command goes on from there");
  flags.add_text("markdown", "FILE",
                 "Also write the tables as Markdown: to the file, or between its lines <!-- begin PROTOCOL --> and "
                 "<!-- end PROTOCOL -->");
  flags.add_boolean("json", "Print one JSON object");
  flags.add_device();
  flags.add_boolean("quiet", "No progress");
  flags.add_detector_options();
  flags.describe("seed", "First seed; those of --seeds follow at distances of 1,000 [0]");
}

std::vector<Contestant> chosen_settings(const FlagSet& flags, const Protocol& protocol) {
  const std::vector<std::string> offered = offered_settings(protocol);
  const std::string setting = flags.given("setting") ? flags.text("setting") : offered.empty() ? "default" : "both";
  std::vector<std::string> names = setting == "both" ? offered : std::vector<std::string>{setting};
  const bool known = setting == "default" || (!offered.empty() && (setting == "both" || contains(offered, setting)));
  if (!known) {
    throw UsageError(fmt::format("--setting of {} must be {}{}default, not '{}'", protocol.name,
                                 fmt::join(offered, ", "), offered.empty() ? "" : ", both or ", setting));
  }
  if (protocol.adds_distances && !flags.given("setting") && !flags.given("method")) names.push_back(beside_the_default);
  std::vector<Contestant> settings;
  for (const std::string& name : names) {
    const bool is_default = name == "default", is_method = name == beside_the_default;
    const auto [options, recipe] =
        flags.chosen_options(is_default || is_method ? "" : protocol.name + "-" + name, is_method ? name : "");
    std::string shown = recipe.empty() && is_default ? get_option(options, "method") + " default" : name;
    if (!recipe.empty()) shown = recipe + " (default)";
    settings.push_back(
        {.key = name, .name = shown, .options = options, .changes = changes_by_flags(flags, options), .results = {}});
  }
  return settings;
}

RunChoices run_choices(const FlagSet& flags, const Protocol& protocol) {
  const std::string reason = "does not apply to " + protocol.name;
  if (!protocol.has_rows) refuse(flags, "rows", reason);
  if (!protocol.has_splits) refuse(flags, "splits", reason);
  if (!protocol.has_splits) refuse(flags, "normals_only", reason);
  if (!protocol.has_digits) refuse(flags, "digits", reason);
  refuse(flags, "methods", "belongs to comparison; here it is --method with --setting default");
  refuse(flags, "protocols", "belongs to comparison");
  return known_choices(flags, protocol);
}

void check_comparison_flags(const FlagSet& flags) {
  refuse(flags, "method", "does not apply to comparison, which takes --methods");
  refuse(flags, "setting", "does not apply to comparison, which runs the defaults");
}

std::vector<Contestant> chosen_methods(const FlagSet& flags) {
  std::vector<Contestant> methods;
  for (const std::string& method : chosen_of(flags, "methods", known_methods())) {
    const DetectorOptions options = flags.chosen_options("", method).options;
    methods.push_back({.key = method,
                       .name = method,
                       .options = options,
                       .changes = changes_by_flags(flags, options),
                       .results = {}});
  }
  return methods;
}

std::vector<std::string> chosen_protocols(const FlagSet& flags) {
  std::vector<std::string> known;
  for (const ComparedProtocol& one : compared_protocols()) known.push_back(one.key);
  return chosen_of(flags, "protocols", known);
}

RunChoices comparison_choices(const FlagSet& flags, const Protocol& protocol) {
  RunChoices choices = known_choices(flags, protocol);
  if (protocol.has_splits) {
    choices.data.splits = flags.integer("splits", comparison_splits, 1, most_splits);
    choices.data.normals_only = true;
    choices.data.published_split = false;
  }
  return choices;
}

}  // namespace cugad::cli
