#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/table/feature_names.hpp"
#include "host/text/cell.hpp"
#include "host/text/json.hpp"

namespace cugad {
namespace {

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::format, "damaged table encoder: " + what); }

using Json = nlohmann::json;

/// Refuses an object that lacks a key or has others.
void check_keys(const Json& object, std::initializer_list<const char*> needed,
                std::initializer_list<const char*> more) {
  std::size_t known = 0;
  for (const char* key : needed) {
    if (!object.is_object() || !object.contains(key)) fail(fmt::format("expected an object with '{}'", key));
    ++known;
  }
  for (const char* key : more) known += object.contains(key);
  if (object.size() != known) fail("it has entries that no encoder has");
}

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

bool is_position(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

double finite_number(const Json& value) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) fail("expected a number for an offset");
  return value.get<double>();
}

int decimal_count(const Json& value) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < -1 || value.get<std::int64_t>() > 6) {
    fail("expected an integer from -1 to 6 for the number of decimals");
  }
  return value.get<int>();
}

std::string text(const Json& value) {
  if (!value.is_string()) fail("expected a text for a name or category");
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
  const bool has_offsets = std::any_of(offsets_.begin(), offsets_.end(), [](double offset) { return offset != 0; });
  if (has_offsets) put_list(json["offsets"], offsets_);
  const bool has_decimals = std::any_of(decimals_.begin(), decimals_.end(), [](int count) { return count >= 0; });
  if (has_decimals) put_list(json["decimals"], decimals_);
  if (!columns_.empty()) put_list(json["columns"], columns_);
  if (!named_) json["named"] = false;
  // Names of columns that are no features need not be UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

TableEncoder TableEncoder::from_json(const std::string& json) {
  Json document;
  const TakenApart parts(document);
  if (!parse_json(json, document)) fail("expected JSON");
  check_keys(document, {"numeric", "categorical"}, {"offsets", "decimals", "columns", "named"});
  TableEncoder encoder;
  std::unordered_set<std::string> names;
  const auto new_name = [&](const Json& value) {
    const std::string name = text(value);
    if (!names.insert(name).second) fail(fmt::format("column '{}' occurs twice", one_line(name)));
    return name;
  };
  for (const Json& name : list(document["numeric"], "numeric columns")) {
    encoder.numeric_.push_back(new_name(name));
  }
  for (const Json& column : list(document["categorical"], "categorical columns")) {
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
  encoder.offsets_.assign(encoder.numeric_.size(), 0.0);
  if (document.contains("offsets")) {
    const Json& offsets = list(document["offsets"], "offsets");
    if (offsets.size() != encoder.numeric_.size()) fail("it has another number of offsets than of numeric columns");
    for (std::size_t c = 0; c < offsets.size(); ++c) encoder.offsets_[c] = finite_number(offsets[c]);
  }
  encoder.decimals_.assign(encoder.numeric_.size(), -1);
  if (document.contains("decimals")) {
    const Json& decimals = list(document["decimals"], "decimals");
    if (decimals.size() != encoder.numeric_.size()) fail("it has another number of decimals than of numeric columns");
    for (std::size_t c = 0; c < decimals.size(); ++c) encoder.decimals_[c] = decimal_count(decimals[c]);
  }
  // Files of older versions do not record whether the table had names: numbers are not names.
  encoder.named_ = document.contains("columns") || !std::all_of(names.begin(), names.end(), is_position);
  if (document.contains("columns")) {
    for (const Json& name : list(document["columns"], "columns")) encoder.columns_.push_back(text(name));
    const std::unordered_set<std::string> known(encoder.columns_.begin(), encoder.columns_.end());
    for (const std::string& name : names) {
      if (!known.contains(name)) fail(fmt::format("the table of the fit lacks its column '{}'", one_line(name)));
    }
  }
  if (document.contains("named")) {
    if (!document["named"].is_boolean()) fail("expected true or false for whether columns have names");
    encoder.named_ = document["named"].get<bool>();
  }
  encoder.feature_names_ = name_features(encoder.numeric_, encoder.categorical_);
  if (encoder.feature_names_.empty()) fail("it has no features");
  return encoder;
}

}  // namespace cugad
