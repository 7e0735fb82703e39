#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Lists as one text, the way flags and options take them: a line of csv.
namespace cugad {

/// A csv cell after RFC 4180: quoted if it holds the separator, a quote, a line break, or blanks at an end. Blanks and
/// tabs separate together.
std::string csv_cell(std::string_view text, char separator = ',');

/// "a, b" -> {"a", "b"}: blanks around the parts are dropped; a part in double quotes may hold commas, a doubled quote
/// in it is one. An empty text gives no part.
std::vector<std::string> split_list(std::string_view text);
/// "a|b" -> {"a", "b"}, with nothing but the separator read; no part for an empty text.
std::vector<std::string> split(std::string_view text, char separator);
/// What split_list() takes apart again.
std::string join_list(std::span<const std::string> parts);

}  // namespace cugad
