#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/table/cell.hpp"
#include "host/table/feature_names.hpp"
#include "host/table/json.hpp"

namespace cugad {
namespace {

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::format, "damaged table encoder: " + what); }

using Json = nlohmann::json;

/// The entry of an object that has exactly the given number of entries.
const Json& entry(const Json& object, const char* key, std::size_t entries) {
  if (!object.is_object() || object.size() != entries || !object.contains(key)) {
    fail(fmt::format("expected an object of {} entries with '{}'", entries, key));
  }
  return object[key];
}

const Json& list(const Json& value, const char* what) {
  if (!value.is_array()) fail(fmt::format("expected a list of {}", what));
  return value;
}

std::string text(const Json& value) {
  if (!value.is_string()) fail("expected a text where a name or category stands");
  return value.get<std::string>();
}

}  // namespace

std::string TableEncoder::to_json() const {
  Json json = Json::object();
  const TakenApart parts(json);
  Json& categorical = json["categorical"] = Json::array();
  for (const Categorical& column : categorical_) {
    categorical.push_back(Json::object());
    categorical.back()["name"] = column.name;
    put_list(categorical.back()["values"], column.values);
  }
  put_list(json["numeric"], numeric_);
  return json.dump();
}

TableEncoder TableEncoder::from_json(const std::string& json) {
  Json document;
  const TakenApart parts(document);
  if (!parse_json(json, document)) fail("expected JSON");
  TableEncoder encoder;
  std::unordered_set<std::string> names;
  const auto new_name = [&](const Json& value) {
    const std::string name = text(value);
    if (!names.insert(name).second) fail(fmt::format("column '{}' occurs twice", one_line(name)));
    return name;
  };
  for (const Json& name : list(entry(document, "numeric", 2), "numeric columns")) {
    encoder.numeric_.push_back(new_name(name));
  }
  for (const Json& column : list(entry(document, "categorical", 2), "categorical columns")) {
    Categorical categorical{new_name(entry(column, "name", 2)), {}};
    for (const Json& value : list(entry(column, "values", 2), "categories")) {
      categorical.values.push_back(text(value));
    }
    const auto& values = categorical.values;
    // Each value greater than the one before: sorted and distinct.
    if (std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()) != values.end() ||
        (!values.empty() && values.front().empty())) {
      fail(fmt::format("the categories of column '{}' are not in order", one_line(categorical.name)));
    }
    encoder.categorical_.push_back(std::move(categorical));
  }
  encoder.feature_names_ = name_features(encoder.numeric_, encoder.categorical_);
  if (encoder.feature_names_.empty()) fail("it has no features");
  return encoder;
}

}  // namespace cugad
