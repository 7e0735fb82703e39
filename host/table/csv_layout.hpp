#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cugad {

/// The layout of the lines of a text, inferred from its first ones.
struct CsvLayout {
  char separator = ',';         ///< ' ': runs of blanks
  std::size_t title_lines = 0;  ///< lines before the table that have no separator
};

/// The cells of one line, as far as a guess needs them: quotes are respected, not resolved.
std::vector<std::string_view> rough_cells(std::string_view line, char separator);

/// Infers the layout of whole lines (no comments, no empty ones): the separator that divides them into the same number
/// of cells, at least 2, of which most are numbers; commas if several do, or none. `fixed`: the separator, if it is
/// known.
CsvLayout tell_layout(const std::vector<std::string_view>& lines, char fixed);

/// The separator inferred from a first line alone: a comma, else the semicolons, tabs or bars in it, or the blanks
/// between numbers.
char first_line_separator(std::string_view line);

/// "comma", "semicolon", ... for messages.
std::string separator_name(char separator);

}  // namespace cugad
