#pragma once

#include <string>
#include <string_view>

/// What the text of one cell means, and how cells and names are shown in messages.
namespace cugad {

enum class CellKind { missing, number, infinite, text };

/// The text without blanks (spaces and tabs) around it.
inline std::string_view without_blanks(std::string_view text) {
  const auto is_blank = [](char letter) { return letter == ' ' || letter == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Reads a cell; `number` is set if the kind is `number`.
CellKind parse_cell(std::string_view text, double& number);

/// Whether the kind is `missing`: the text is empty or one of the words for it.
bool is_missing(std::string_view text);

/// Whether the text is a missing value in a column of numbers, but may be a category elsewhere: a lone dash.
bool is_dash(std::string_view text);

/// The text form by which a number is matched with a category: 1 is "1", 0.5 is "0.5", NaN (missing) is empty.
std::string number_text(double number);

/// How many bytes the first character of UTF-8 text has; 0 if the text begins with none.
std::size_t first_character(std::string_view text);
bool is_utf8(std::string_view text);

/// The text with its control characters, and bytes that are not UTF-8, as "\x1b".
std::string escaped(std::string_view text);

/// The text on one line, so escaped; long texts are cut.
std::string one_line(std::string_view text, std::size_t longest = 60);

}  // namespace cugad
