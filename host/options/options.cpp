#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "host/floating_point.hpp"
#include "host/options/method_options.hpp"
#include "host/options/option_record.hpp"
#include "host/options/presets.hpp"
#include "host/options/recipe.hpp"
#include "host/text/cell.hpp"
#include "host/text/json.hpp"
#include "host/text/list_text.hpp"
#include "host/text/nearest_name.hpp"

/// Options by name, as text and as JSON.
namespace cugad {
namespace {

/// `besides`: what else a name may be, for the message.
const OptionRecord& find_option(const std::string& name, std::vector<std::string> besides = {}) {
  for (const OptionRecord& option : option_records()) {
    if (option.is_called(name)) return option;
    besides.push_back(option.info.name);
    if (!option.former.empty()) besides.push_back(option.former);
  }
  throw Error(ErrorCode::invalid_argument, "unknown option '" + one_line(name) + "'" + did_you_mean(name, besides));
}

/// Sets each of "option=value option=value".
void set_options(DetectorOptions& options, const std::string& values) {
  std::istringstream words(values);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    find_option(word.substr(0, equals)).set(options, word.substr(equals + 1));
  }
}

constexpr const char* preset_key = "preset";

[[noreturn]] void refuse_repeated(const std::string& name) {
  throw Error(ErrorCode::invalid_argument, "option '" + one_line(name) + "' is given twice");
}

/// A JSON value as set_option takes it. Numbers and booleans must be just that; a list, or an ensemble's methods, may
/// also be given as one value.
std::string flat_text(const OptionInfo& info, const nlohmann::json& value) {
  const auto plain = [](const nlohmann::json& one) { return one.is_string() ? one.get<std::string>() : one.dump(); };
  const auto require = [&](bool fits, const char* expected) {
    if (!fits) refuse_option(info.name, value.dump(), expected);
  };
  if (info.kind == "integer") require(value.is_number_integer(), "an integer");
  if (info.kind == "number") require(value.is_number(), "a number");
  if (info.kind == "boolean") require(value.is_boolean(), "true or false");
  if (!value.is_array()) {
    if (info.kind == "text") require(value.is_string(), "a text");
    if (info.kind == "list") require(value.is_string() || value.is_number(), "a list");
    return plain(value);
  }
  std::vector<std::string> parts;
  for (const auto& part : value) {
    require(part.is_string() || (part.is_number() && info.kind == "list"), "a list of texts or numbers");
    parts.push_back(plain(part));
  }
  return join_list(parts);
}

struct JsonOptions {
  std::string preset;
  NamedOptions named;  ///< by their names of today
};

JsonOptions read_options(const std::string& text) {
  nlohmann::json json;
  const TakenApart parts(json);
  if (!parse_json(text, json, refuse_repeated) || !json.is_object())
    throw Error(ErrorCode::invalid_argument, "options are not a JSON object");
  JsonOptions read;
  for (const auto& [name, value] : json.items()) {
    if (name == preset_key) {
      if (!value.is_string() || value == "") refuse_option(preset_key, value.dump(), "a text");
      read.preset = value.get<std::string>();
      continue;
    }
    const OptionRecord& option = find_option(name, {preset_key});
    if (name != option.info.name && json.contains(option.info.name)) refuse_repeated(option.info.name);
    read.named.emplace_back(option.info.name, flat_text(option.info, value));
  }
  return read;
}

/// The options by the names that `name_of` gives to their records; those that it gives none are left out.
template <class NameOf>
std::string json_of(const DetectorOptions& options, const NameOf& name_of) {
  const FloatingPointEnvironment environment;
  OrderedJson json = OrderedJson::object();
  const TakenApart parts(json);
  for (const OptionRecord& option : option_records()) {
    const std::string name = name_of(option);
    if (name.empty()) continue;
    const std::string text = option.get(options);
    if (option.info.kind == "integer" || option.info.kind == "number" || option.info.kind == "boolean") {
      // What is not finite stays null.
      parse_json(text, json[name]);
    } else if (option.info.kind == "list") {
      put_list(json[name], split_list(text));
    } else {
      json[name] = text;
    }
  }
  return json.dump();
}

}  // namespace

const std::vector<OptionInfo>& option_list() {
  static const auto& list = *new std::vector<OptionInfo>([] {
    std::vector<OptionInfo> infos;
    for (const OptionRecord& option : option_records()) infos.push_back(option.info);
    return infos;
  }());
  return list;
}

void set_option(DetectorOptions& options, const std::string& name, const std::string& value) {
  const FloatingPointEnvironment environment;
  find_option(name).set(options, value);
}

std::string get_option(const DetectorOptions& options, const std::string& name) {
  const FloatingPointEnvironment environment;
  return find_option(name).get(options);
}

std::vector<std::string> options_without_effect(const DetectorOptions& options) {
  const std::vector<DetectorOptions> methods = options_of_methods(options);
  std::vector<std::string> names;
  for (const OptionRecord& option : option_records()) {
    if (std::none_of(methods.begin(), methods.end(), [&](const auto& one) { return option.matters(one); })) {
      names.push_back(option.info.name);
    }
  }
  return names;
}

std::vector<std::string> presets() {
  std::vector<std::string> names;
  for (const Preset& preset : preset_table()) names.emplace_back(preset.name);
  return names;
}

void apply_preset(DetectorOptions& options, const std::string& name) {
  const FloatingPointEnvironment environment;
  for (const Preset& preset : preset_table()) {
    if (name != preset.name) continue;
    set_options(options, values_of_all_presets());
    for (const char* values : preset.values) set_options(options, values);
    return;
  }
  std::string known;
  for (const std::string& preset : presets()) known += (known.empty() ? "" : ", ") + preset;
  throw Error(ErrorCode::invalid_argument,
              "unknown preset '" + one_line(name) + "'" + did_you_mean(name, presets()) + ", expected one of " + known);
}

std::string options_to_json(const DetectorOptions& options) {
  return json_of(options, [](const OptionRecord& option) { return option.info.name; });
}

std::string options_to_hash(const DetectorOptions& options) {
  return json_of(options, [&](const OptionRecord& option) {
    if (option.is_later && option.get(options) == option.get(DetectorOptions{})) return std::string();
    return option.former.empty() ? option.info.name : option.former;
  });
}

DetectorOptions options_from_json(const std::string& text, DetectorOptions base) {
  const FloatingPointEnvironment environment;
  const JsonOptions json = read_options(text);
  check_method_of_preset(json.preset, json.named);
  if (!json.preset.empty()) apply_preset(base, json.preset);
  for (const auto& [name, value] : json.named) find_option(name).set(base, value);
  return base;
}

DetectorOptions options_from_json(const std::string& text) {
  const FloatingPointEnvironment environment;
  const JsonOptions json = read_options(text);
  return choose_options(json.preset, json.named).options;
}

}  // namespace cugad
