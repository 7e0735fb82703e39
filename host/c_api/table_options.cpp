#include "host/c_api/table_options.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cugad/error.hpp"
#include "host/text/cell.hpp"
#include "host/text/json.hpp"
#include "host/text/nearest_name.hpp"

namespace cugad::c_api {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

[[noreturn]] void refuse(const std::string& key, const OrderedJson& value, const char* expected) {
  const std::string given = value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  refuse("option '" + key + "' is " + one_line(given) + ", expected " + expected);
}

bool boolean(const std::string& key, const OrderedJson& value) {
  if (!value.is_boolean()) refuse(key, value, "true or false");
  return value.get<bool>();
}

std::vector<std::string> texts(const std::string& key, const OrderedJson& value) {
  std::vector<std::string> list;
  if (!value.is_array()) refuse(key, value, "a list of texts");
  for (const OrderedJson& entry : value) {
    if (!entry.is_string()) refuse(key, value, "a list of texts");
    list.push_back(entry.get<std::string>());
  }
  return list;
}

std::string text(const std::string& key, const OrderedJson& value) {
  if (!value.is_string()) refuse(key, value, "a text");
  return value.get<std::string>();
}

/// What is given, over the defaults.
TableFormat format(const std::string& key, const OrderedJson& value) {
  if (!value.is_object()) refuse(key, value, "an object");
  OrderedJson whole;
  const TakenApart parts(whole);
  parse_json(TableFormat().to_json(), whole);
  std::vector<std::string> known;
  for (const auto& [name, unused] : whole.items()) known.push_back(name);
  for (const auto& [name, given] : value.items()) {
    if (!whole.contains(name)) refuse("unknown key '" + one_line(name) + "' of 'format'" + did_you_mean(name, known));
    { const TakenApart earlier(whole[name]); }
    parse_json(given.dump(), whole[name]);
  }
  try {
    return TableFormat::from_json(whole.dump());
  } catch (const Error&) {
    refuse(key, value, "values such as cugad_reader_format gives");
  }
}

using Take = std::function<void(const std::string& key, const OrderedJson& value)>;

/// Calls the function of each key of the object.
void parse(const char* text, const std::vector<std::pair<std::string, Take>>& keys) {
  if (text == nullptr || *text == '\0') return;
  OrderedJson json;
  const TakenApart parts(json);
  const auto refuse_repeated = [](const std::string& key) { refuse("the key '" + one_line(key) + "' is given twice"); };
  if (!parse_json(text, json, refuse_repeated) || !json.is_object()) refuse("options are not a JSON object");
  std::vector<std::string> known;
  for (const auto& [key, take] : keys) known.push_back(key);
  for (const auto& [key, value] : json.items()) {
    const auto found = std::find(known.begin(), known.end(), key);
    if (found == known.end()) refuse("unknown option '" + one_line(key) + "'" + did_you_mean(key, known));
    keys[static_cast<std::size_t>(found - known.begin())].second(key, value);
  }
}

}  // namespace

ReadOptions read_options_from_json(const char* json) {
  ReadOptions options;
  const auto into = [](bool& field) {
    return [&field](const std::string& key, const OrderedJson& value) { field = boolean(key, value); };
  };
  parse(json,
        {{"text_columns", [&](const auto& key, const auto& value) { options.text_columns = texts(key, value); }},
         {"infer_text", into(options.infer_text)},
         {"format", [&](const auto& key, const auto& value) { options.format = format(key, value); }},
         {"numeric_columns", [&](const auto& key, const auto& value) { options.numeric_columns = texts(key, value); }},
         {"names",
          [&](const auto& key, const auto& value) {
            if (!value.is_array()) refuse(key, value, "a list of lists of texts");
            for (const OrderedJson& list : value) options.names.push_back(texts(key, list));
          }},
         {"by_position", into(options.by_position)},
         {"adapt_separator", into(options.adapt_separator)},
         {"mark_errors", into(options.mark_errors)},
         {"as_it_comes", into(options.as_it_comes)}});
  return options;
}

std::string read_options_to_json(const ReadOptions& options) {
  OrderedJson json = OrderedJson::object();
  const TakenApart parts(json);
  put_list(json["text_columns"], options.text_columns);
  json["infer_text"] = options.infer_text;
  if (options.numeric_columns) put_list(json["numeric_columns"], *options.numeric_columns);
  OrderedJson& names = json["names"] = OrderedJson::array();
  for (const std::vector<std::string>& list : options.names) put_list(names.emplace_back(nullptr), list);
  json["by_position"] = options.by_position;
  json["adapt_separator"] = options.adapt_separator;
  json["mark_errors"] = options.mark_errors;
  json["as_it_comes"] = options.as_it_comes;
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

TableEncoder::Options encoder_options_from_json(const char* json) {
  TableEncoder::Options options;
  parse(json, {{"categorical", [&](const auto& key, const auto& value) { options.categorical = texts(key, value); }},
               {"excluded", [&](const auto& key, const auto& value) { options.excluded = texts(key, value); }},
               {"max_categories", [&](const auto& key, const auto& value) {
                  if (!value.is_number_unsigned() || value.template get<std::uint64_t>() > (1u << 20)) {
                    refuse(key, value, "a number of values");
                  }
                  options.max_categories = value.template get<std::int64_t>();
                }}});
  return options;
}

ImageOptions image_options_from_json(const char* json) {
  ImageOptions options;
  parse(json,
        {{"shape", [&](const auto& key, const auto& value) { options.shape = image_shape_from(text(key, value)); }},
         {"files", [&](const auto& key, const auto& value) { options.files = text(key, value); }},
         {"beside", [&](const auto& key, const auto& value) { options.beside = text(key, value); }},
         {"mark_errors", [&](const auto& key, const auto& value) { options.mark_errors = boolean(key, value); }}});
  return options;
}

std::string list_of_lines(const std::vector<std::string>& lines) {
  OrderedJson list;
  const TakenApart parts(list);
  put_list(list, lines);
  return list.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace cugad::c_api
