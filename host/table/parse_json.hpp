#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

namespace cugad {

/// Whether brackets lie in each other no deeper than anything that this library writes. Text that is not JSON may give
/// either answer.
inline bool is_flat_json(std::string_view text) {
  constexpr int deepest = 32;
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (in_text) {
      if (letter == '\\') ++i;
      if (letter == '"') in_text = false;
    } else if (letter == '"') {
      in_text = true;
    } else if (letter == '[' || letter == '{') {
      if (++depth > deepest) return false;
    } else if (letter == ']' || letter == '}') {
      --depth;
    }
  }
  return true;
}

/// The value of a text from outside; discarded where it is not JSON or nested so deeply that copying or printing the
/// value, which calls itself for every level, could exhaust the stack. `watch` (optional) sees what is parsed.
template <class Json>
Json parse_json(std::string_view text, const typename Json::parser_callback_t& watch = nullptr) {
  if (!is_flat_json(text)) return Json(nlohmann::detail::value_t::discarded);
  return Json::parse(text, watch, false);
}

}  // namespace cugad
