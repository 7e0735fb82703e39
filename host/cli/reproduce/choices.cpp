#include "host/cli/reproduce/choices.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

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

std::vector<OfferedSetting> offered_settings(const Protocol& protocol) {
  if (!protocol.offered.empty()) return protocol.offered;
  std::vector<OfferedSetting> offered;
  for (const char* name : {"faithful", "recommended"}) {
    const std::string preset = protocol.name + "-" + name;
    if (contains(presets(), preset)) offered.push_back({name, preset});
  }
  return offered;
}

/// The flag that names the classes, if one is given.
const char* classes_flag(const FlagSet& flags) {
  return flags.given("classes") ? "classes" : flags.given("digits") ? "digits" : nullptr;
}

std::vector<std::int64_t> chosen_classes(const FlagSet& flags, const std::string& flag) {
  std::vector<std::int64_t> classes;
  for (const std::string& text : split_list(flags.text(flag))) {
    if (text.size() != 1 || text[0] < '0' || text[0] > '9') {
      throw UsageError(fmt::format("--{} must be digits from 0 to 9, not '{}'", flag, text));
    }
    const std::int64_t one = text[0] - '0';
    if (std::find(classes.begin(), classes.end(), one) == classes.end()) classes.push_back(one);
  }
  if (classes.empty()) throw UsageError(fmt::format("--{} needs at least one digit", flag));
  return classes;
}

/// The shape of a protocol's images, as text.
std::string image_of(const FlagSet& flags, const Protocol& protocol) {
  return protocol.takes_image && flags.given("image") ? flags.text("image") : protocol.image;
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
  const char* flag = classes_flag(flags);
  if (protocol.has_classes && flag != nullptr) choices.data.classes = chosen_classes(flags, flag);
  if (!protocol.image.empty()) choices.data.image = image_shape_from(image_of(flags, protocol));
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
                 "mnist/*-ubyte.gz, fashion-mnist/*-ubyte.gz, magnetic_tile/MT_*/Imgs/*");
  flags.add_text(
      "setting", "NAME,NAME",
      "faithful: the reference's settings; recommended: ours; both; default: as cugad train with your flags, "
      "for any method; mnist, fashion-mnist: also egbad and ganomaly, as their authors have them [both, where the "
      "protocol has them; images: recommended; adbench: default, and anogan beside it]");
  flags.add_text("seeds", "N", "Number of seeds [kdd99: 1, the others: 3]");
  flags.add_text("rows", "N|all",
                 "A fixed random sample of so many rows [kdd99: 50000 for testing, adbench: 20000 per set, images: all "
                 "of each file]");
  flags.add_text("splits", "N", "arrhythmia: also random splits 0 to N - 1 [0; comparison: 10]");
  flags.add_boolean("normals_only", "arrhythmia: no anomaly among the training rows");
  flags.add_text("classes", "C,C", "mnist, fashion-mnist: the classes (0 to 9) that are singled out in turn [all ten]");
  flags.add_text("digits", "D,D", "The same under the name that mnist-dense has for it");
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
  std::map<std::string, std::string> preset_of = {{"default", ""}, {beside_the_default, ""}};
  std::vector<std::string> offered;
  for (const OfferedSetting& one : offered_settings(protocol)) {
    preset_of[one.name] = one.preset;
    offered.push_back(one.name);
  }
  const std::string usual = offered.empty() ? "default" : protocol.offered.empty() ? "both" : offered.front();
  std::vector<std::string> names;
  for (const std::string& name : split_list(flags.given("setting") ? flags.text("setting") : usual)) {
    if (name == "both" && !offered.empty()) {
      names = offered;
    } else if (name != "default" && !contains(offered, name)) {
      throw UsageError(fmt::format("--setting of {} must be {}{}default, not '{}'", protocol.name,
                                   fmt::join(offered, ", "), offered.empty() ? "" : ", both or ", name));
    } else if (!contains(names, name)) {
      names.push_back(name);
    }
  }
  if (names.empty()) throw UsageError("--setting is empty");
  if (protocol.adds_distances && !flags.given("setting") && !flags.given("method")) names.push_back(beside_the_default);
  std::vector<Contestant> settings;
  for (const std::string& name : names) {
    const bool is_default = name == "default", is_method = name == beside_the_default;
    const auto [options, recipe] =
        flags.chosen_options(preset_of.at(name), is_method ? name : "", image_of(flags, protocol));
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
  for (const char* flag : {"classes", "digits"}) {
    if (!protocol.has_classes) refuse(flags, flag, reason);
  }
  if (!protocol.image.empty() && !protocol.takes_image) refuse(flags, "image", reason);
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
