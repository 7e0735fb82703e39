#include "host/table/csv_layout.hpp"

#include <algorithm>
#include <map>

#include "host/table/number_format.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr std::size_t longest_title = 20;       // lines
constexpr std::size_t fewest_lines_below = 3;   // needed to recognise title lines
constexpr double usual_share = 0.8;             // of the lines that must have as many cells as most
constexpr double numbers_between_blanks = 0.5;  // more than that: blanks also separate words

bool is_blank(char letter) { return letter == ' ' || letter == '\t'; }

/// How well a separator divides the lines.
struct Division {
  CsvLayout layout;
  std::size_t cells = 0;  ///< of most lines
  bool has_title = false;
  double numbers = 0;  ///< share of numbers among the cells below the first line

  bool better_than(const Division& other) const {
    if ((cells > 1) != (other.cells > 1)) return cells > 1;
    if (has_title != other.has_title) return !has_title;
    return numbers > other.numbers;
  }
};

Division divide(const std::vector<std::string_view>& lines, char separator) {
  Division division;
  division.layout.separator = separator;
  std::vector<std::vector<std::string_view>> rows;
  std::map<std::size_t, std::size_t> widths;
  for (const std::string_view line : lines) {
    rows.push_back(rough_cells(line, separator));
    ++widths[rows.back().size()];
  }
  const auto usual =
      std::max_element(widths.begin(), widths.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (usual == widths.end() || usual->first < 2) return division;
  const std::size_t width = usual->first;
  std::size_t title = 0;
  while (title < rows.size() && title <= longest_title && rows[title].size() == 1) ++title;
  // Data may end in a separator that the header lacks.
  const auto fits = [&](const auto& row) {
    return row.size() == width || row.size() + 1 == width || row.size() == width + 1;
  };
  const auto fitting = static_cast<std::size_t>(std::count_if(rows.begin() + title, rows.end(), fits));
  const std::size_t below = rows.size() - title;
  if (title > longest_title || static_cast<double>(fitting) < usual_share * static_cast<double>(below)) return division;
  if (title > 0 && below < fewest_lines_below) return division;
  std::size_t cells = 0, numbers = 0;
  for (std::size_t r = title + 1; r < rows.size(); ++r) {
    for (const std::string_view cell : rows[r]) {
      ++cells;
      const bool is_quoted = cell.size() > 1 && cell.starts_with('"') && cell.ends_with('"');
      numbers += looks_like_number(is_quoted ? cell.substr(1, cell.size() - 2) : cell);
    }
  }
  division.cells = width;
  division.has_title = title > 0;
  division.layout.title_lines = title;
  division.numbers = cells > 0 ? static_cast<double>(numbers) / static_cast<double>(cells) : 0.0;
  if (separator == ' ' && (division.has_title || division.numbers <= numbers_between_blanks)) division.cells = 0;
  return division;
}

}  // namespace

std::vector<std::string_view> rough_cells(std::string_view line, char separator) {
  std::vector<std::string_view> cells;
  if (separator == ' ') line = without_blanks(line);
  const auto separates = [&](char letter) { return separator == ' ' ? is_blank(letter) : letter == separator; };
  std::size_t start = 0;
  bool quoted = false, fresh = true;  // fresh: nothing but blanks in this cell yet
  for (std::size_t at = 0; at <= line.size(); ++at) {
    if (at == line.size() || (!quoted && separates(line[at]))) {
      cells.push_back(line.substr(start, at - start));
      while (separator == ' ' && at + 1 < line.size() && is_blank(line[at + 1])) ++at;
      start = at + 1;
      fresh = true;
    } else if (line[at] == '"' && (quoted || fresh)) {
      quoted = !quoted;
    } else if (!is_blank(line[at])) {
      fresh = quoted;
    }
  }
  return cells;
}

CsvLayout tell_layout(const std::vector<std::string_view>& lines, char fixed) {
  Division best;
  for (const char separator : {',', ';', '\t', '|', ' '}) {
    if (fixed != 0 && separator != fixed) continue;
    const Division division = divide(lines, separator);
    if (division.better_than(best)) best = division;
  }
  if (fixed != 0) best.layout.separator = fixed;
  if (fixed == 0 && best.cells < 2 && !lines.empty()) best.layout.separator = first_line_separator(lines.front());
  return best.layout;
}

char first_line_separator(std::string_view line) {
  for (const char separator : {',', ';', '\t', '|'}) {
    if (rough_cells(line, separator).size() > 1) return separator;
  }
  const auto words = rough_cells(line, ' ');
  return words.size() > 1 && std::all_of(words.begin(), words.end(), looks_like_number) ? ' ' : ',';
}

std::string separator_name(char separator) {
  switch (separator) {
    case ',':
      return "comma";
    case ';':
      return "semicolon";
    case '\t':
      return "tab";
    case ' ':
      return "blank";
    default:
      return std::string("'") + separator + "'";
  }
}

}  // namespace cugad
