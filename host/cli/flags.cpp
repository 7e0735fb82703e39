#include "host/cli/flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/config.hpp"
#include "host/cli/text.hpp"
#include "host/options/method_options.hpp"
#include "host/options/option_record.hpp"
#include "host/text/nearest_name.hpp"
#include "host/text/shell_text.hpp"

namespace cugad::cli {
namespace {

std::string value_name(const OptionInfo& info) {
  if (!info.choices.empty()) return info.choices;
  if (info.kind == "integer") return "N";
  if (info.kind == "number") return "X";
  if (info.kind == "list") return "A,B,...";
  return "TEXT";
}

std::string help_with_default(const OptionInfo& info) {
  const std::string value = get_option(DetectorOptions{}, info.name);
  return value.empty() ? info.help : fmt::format("{} [{}]", info.help, value);
}

/// Whatever the library rejects as no sensible argument is wrong usage of the command.
template <class Make>
auto usage_checked(Make make) {
  try {
    return make();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::invalid_argument) throw UsageError(error.what());
    throw;
  }
}

template <class Number>
Number parse_number(const std::string& name, const std::string& text, Number lowest, Number highest) {
  Number value = {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // Written so that a NaN fails too.
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= lowest && value <= highest)) {
    throw UsageError(fmt::format("--{} must be {} from {} to {}, not '{}'", with_dashes(name),
                                 std::is_integral_v<Number> ? "an integer" : "a number", lowest, highest, text));
  }
  return value;
}

/// The name of an option in earlier versions; empty for every other flag.
std::string former_of(const std::string& name) {
  for (const OptionRecord& option : option_records()) {
    if (option.info.name == name) return option.former;
  }
  return "";
}

std::string flag_names(const std::string& name, const std::string& prefix) {
  const std::string former = former_of(name);
  return prefix + with_dashes(name) + (former.empty() ? "" : "," + prefix + with_dashes(former));
}

}  // namespace

void FlagSet::add_text(const std::string& name, const std::string& type, const std::string& help) {
  Flag& flag = flags_[name];
  flag.option = app_->add_option(flag_names(name, "--"), flag.flag_text, help)->type_name(type);
}

void FlagSet::add_boolean(const std::string& name, const std::string& help, bool usually) {
  Flag& flag = flags_[name];
  const std::string names = flag_names(name, "--") + (usually ? "," + flag_names(name, "!--no-") : "");
  flag.option = app_->add_flag(names, flag.flag_text, help);
  flag.is_boolean = true;
}

void FlagSet::add_detector_options() {
  for (const OptionInfo& info : option_list()) {
    if (info.kind == "boolean") {
      add_boolean(info.name, help_with_default(info), get_option(DetectorOptions{}, info.name) == "true");
    } else {
      add_text(info.name, value_name(info), help_with_default(info));
    }
    flags_.at(info.name).option->group("Detector options");
  }
}

void FlagSet::describe(const std::string& name, const std::string& help) { flags_.at(name).option->description(help); }

void FlagSet::add_device() {
  add_text("device", "auto|cpu|cuda:0",
           "Where to compute; cuda:0,cuda:1 or cuda:all train on several; cpu:avx2 is the CPU held to an instruction "
           "set [auto]");
  add_text("precision", "fp32|tf32|bf16", "Compute mode of the matrix products (tf32: GPU only) [fp32]");
  add_text("threads", "N", "Threads of the CPU backend; results never depend on it [all processors]");
}

void FlagSet::apply_config(const std::string& path) {
  for (const ConfigEntry& entry : read_config(path)) {
    if (entry.name == "config") {
      throw UsageError(fmt::format("{}: unknown key 'config': a file of settings cannot name another", entry.where));
    }
    auto found = flags_.find(entry.name);
    if (found == flags_.end()) {
      for (const OptionRecord& option : option_records()) {
        if (option.is_called(entry.name)) found = flags_.find(option.info.name);
      }
    }
    if (found == flags_.end()) {
      std::vector<std::string> known;
      for (const auto& [name, flag] : flags_) {
        if (name != "config") known.push_back(name);
        if (const std::string former = former_of(name); !former.empty()) known.push_back(former);
      }
      throw UsageError(fmt::format("{}: unknown key '{}'{}", entry.where, entry.name, did_you_mean(entry.name, known)));
    }
    Flag& flag = found->second;
    if (flag.in_config) throw UsageError(fmt::format("{}: {} is given twice", entry.where, found->first));
    if (flag.is_boolean && entry.text != "true" && entry.text != "false") {
      throw UsageError(fmt::format("{}: {} must be true or false, not '{}'", entry.where, entry.name, entry.text));
    }
    flag.config_text = entry.text;
    flag.in_config = true;
  }
}

std::string FlagSet::as_arguments() const {
  std::string arguments;
  for (const auto& [name, flag] : flags_) {
    if (!given(name)) continue;
    if (!arguments.empty()) arguments += ' ';
    const bool is_switch = flag.is_boolean && text(name) == "true";
    arguments += "--" + with_dashes(name) + (is_switch ? "" : (flag.is_boolean ? "=" : " ") + shell_text(text(name)));
  }
  return arguments;
}

bool FlagSet::given(const std::string& name) const { return on_command_line(name) || flags_.at(name).in_config; }

const std::string& FlagSet::text(const std::string& name) const {
  const Flag& flag = flags_.at(name);
  return on_command_line(name) ? flag.flag_text : flag.config_text;
}

const std::string& FlagSet::required_text(const std::string& name) const {
  if (text(name).empty()) {
    const char* wrong = given(name) ? "is empty, expected a value" : "is required";
    throw UsageError(fmt::format("--{} {}", with_dashes(name), wrong));
  }
  return text(name);
}

std::int64_t FlagSet::integer(const std::string& name, std::int64_t fallback, std::int64_t lowest,
                              std::int64_t highest) const {
  return given(name) ? parse_number(name, text(name), lowest, highest) : fallback;
}

double FlagSet::number(const std::string& name, double lowest, double highest) const {
  return parse_number(name, text(name), lowest, highest);
}

float FlagSet::score_threshold() const {
  constexpr double largest = std::numeric_limits<float>::max();
  return static_cast<float>(number("threshold", -largest, largest));
}

void FlagSet::settle_duration(DetectorOptions& options) const {
  if (!given("steps")) return;
  if (given("epochs") && on_command_line("steps") == on_command_line("epochs")) {
    throw UsageError("give either --steps or --epochs, not both");
  }
  if (!given("epochs") || on_command_line("steps")) options.epochs = 0;
}

ChosenOptions FlagSet::chosen_options(const std::string& preset, const std::string& method,
                                      const std::string& image) const {
  NamedOptions named;
  if (!method.empty()) named.emplace_back("method", method);
  if (!image.empty()) named.emplace_back("image", image);
  for (const OptionInfo& info : option_list()) {
    if (given(info.name)) named.emplace_back(info.name, text(info.name));
  }
  ChosenOptions chosen = usage_checked([&] { return choose_options(preset, named); });
  settle_duration(chosen.options);
  for (const DetectorOptions& one : options_of_methods(chosen.options)) {
    if (definition_of(one.method).trains() || !given("reference_rows") || chosen.options.reference_rows != 0) continue;
    throw UsageError(fmt::format("--reference-rows 0 keeps no training rows, which method {} needs: leave {} out",
                                 get_option(one, "method"), given("method") ? "the method" : "--preset"));
  }
  return chosen;
}

Device FlagSet::open_device() const {
  const auto threads = static_cast<int>(integer("threads", 0, 1, 4096));
  const Device device = usage_checked([&] { return Device::open(given("device") ? text("device") : "auto", threads); });
  if (!given("precision")) return device;
  const Precision precision = usage_checked([&] { return precision_from(text("precision")); });
  return device.with_precision(precision);
}

std::vector<std::string> boolean_option_flags() {
  std::vector<std::string> flags;
  for (const OptionInfo& info : option_list()) {
    if (info.kind != "boolean") continue;
    flags.push_back("--" + with_dashes(info.name));
    if (const std::string former = former_of(info.name); !former.empty()) flags.push_back("--" + with_dashes(former));
  }
  return flags;
}

Detector make_detector(const Device& device, const DetectorOptions& options) {
  return usage_checked([&] {
    check_options(options);  // as fit would, when more has been invested
    return Detector(device, options);
  });
}

}  // namespace cugad::cli
