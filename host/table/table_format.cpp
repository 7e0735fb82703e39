#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/text/json.hpp"

namespace cugad {
namespace {

using Json = nlohmann::json;
using Header = TableFormat::Header;

constexpr const char* header_names[] = {"auto", "yes", "no", "comment"};

[[noreturn]] void fail() { throw Error(ErrorCode::format, "damaged table format: expected what a model file holds"); }

std::string letter_text(char letter) { return letter == 0 ? std::string() : std::string(1, letter); }

char letter(const Json& value) {
  const auto text = value.get<std::string>();
  if (text.size() > 1) fail();
  return text.empty() ? '\0' : text.front();
}

char decimal_mark(const Json& value) {
  const char mark = letter(value);
  if (mark != 0 && mark != '.' && mark != ',') fail();
  return mark;
}

Header header(const Json& value) {
  const auto text = value.get<std::string>();
  for (int i = 0; i < 4; ++i) {
    if (text == header_names[i]) return static_cast<Header>(i);
  }
  fail();
}

}  // namespace

std::string TableFormat::to_json() const {
  Json json = Json::object();
  const TakenApart parts(json);
  json["separator"] = letter_text(separator);
  json["decimal"] = letter_text(decimal);
  json["header"] = header_names[static_cast<int>(header)];
  json["comment"] = comment;
  json["has_title"] = has_title;
  put_list(json["missing"], missing);
  json["array"] = array;
  Json& written = json["columns"] = Json::array();
  for (const auto& [name, format] : columns) {
    written.push_back(Json::object());
    Json& column = written.back();
    column["name"] = name;
    column["decimal"] = letter_text(format.decimal);
    column["grouped"] = format.grouped;
    column["prefix"] = format.prefix;
    column["suffix"] = format.suffix;
  }
  if (image) put_list(json["image"], std::array{image->height, image->width, image->channels});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

TableFormat TableFormat::from_json(const std::string& json) {
  Json document;
  const TakenApart parts(document);
  if (!parse_json(json, document) || !document.is_object()) fail();
  const bool has_image = document.contains("image");
  if (document.size() != (has_image ? 9 : 8)) fail();
  try {
    TableFormat format{.separator = letter(document.at("separator")),
                       .decimal = decimal_mark(document.at("decimal")),
                       .header = cugad::header(document.at("header")),
                       .comment = document.at("comment").get<std::string>(),
                       .has_title = document.at("has_title").get<bool>(),
                       .missing = {},
                       .array = document.at("array").get<std::string>()};
    for (const Json& word : document.at("missing")) format.missing.push_back(word.get<std::string>());
    for (const Json& column : document.at("columns")) {
      const char mark = decimal_mark(column.at("decimal"));
      if (mark == 0) fail();
      format.columns[column.at("name").get<std::string>()] = {mark, column.at("grouped").get<bool>(),
                                                              column.at("prefix").get<std::string>(),
                                                              column.at("suffix").get<std::string>()};
    }
    if (has_image) {
      const auto sizes = document.at("image").get<std::vector<std::int32_t>>();
      if (sizes.size() != 3 || *std::min_element(sizes.begin(), sizes.end()) < 1) fail();
      format.image = ImageShape{sizes[0], sizes[1], sizes[2]};
    }
    return format;
  } catch (const Json::exception&) {
    fail();
  }
}

}  // namespace cugad
