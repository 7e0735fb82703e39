#include "host/table/csv_sample.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "host/table/number_format.hpp"

namespace cugad {
namespace {

constexpr std::int64_t enough_rows = 10;  // to conclude that a value would have occurred again

/// The number of a cell that may be a name: an integer.
bool is_integer(const std::string& cell, std::int64_t& value) {
  double number = 0;
  if (parse_cell(cell, number) != CellKind::number || number != std::trunc(number) || std::abs(number) > 1e9)
    return false;
  if (cell.find_first_of(".eE") != std::string::npos) return false;
  value = static_cast<std::int64_t>(number);
  return true;
}

/// Whether the numbers of the first line count up by one, with only texts and gaps between them.
bool counts_up(const FirstLine& first, std::int64_t& count, std::int64_t& start) {
  count = 0;
  std::int64_t before = 0;
  for (std::size_t c = 0; c < first.cells.size(); ++c) {
    if (first.kinds[c] != CellKind::number) continue;
    std::int64_t value = 0;
    if (!is_integer(first.cells[c], value)) return false;
    if (count == 0) start = value;
    if (count > 0 && value != before + 1) return false;
    before = value;
    ++count;
  }
  return count >= 2;
}

/// A share of the texts that occur once, as an estimate of how often a new one comes (Good and Turing).
bool repeats(const ColumnSample& column) {
  const auto once =
      std::count_if(column.counts.begin(), column.counts.end(), [](const auto& entry) { return entry.second == 1; });
  return column.texts >= enough_rows && once * 20 <= column.texts;
}

}  // namespace

void ColumnSample::add(std::string_view cell, CellKind kind, double number) {
  if (kind == CellKind::missing) return;
  if (is_dash(cell)) {
    ++dashes;
    return;
  }
  if (kind == CellKind::text) {
    ++texts;
    ++counts[std::string(cell)];
  } else if (kind == CellKind::number) {
    least = numbers == 0 ? number : std::min(least, number);
    most = numbers == 0 ? number : std::max(most, number);
    ++numbers;
  }
  fractions += looks_like_number(cell) && cell.find_first_of(".,") != std::string_view::npos;
  if (kind != CellKind::infinite) style.add(cell);
}

HeaderGuess guess_header(const FirstLine& first, const std::vector<ColumnSample>& below) {
  const std::unordered_set<std::string_view> distinct(first.cells.begin(), first.cells.end());
  std::int64_t texts = 0, over_numbers = 0, over_others = 0, over_itself = 0;
  std::int64_t fractions = 0, rows = 0;
  bool is_apart = false;  // numbers unlike those below them
  for (std::size_t c = 0; c < below.size(); ++c) {
    const ColumnSample& column = below[c];
    rows = std::max(rows, column.numbers + column.texts + column.dashes);
    double number = 0;
    if (first.kinds[c] == CellKind::number && parse_cell(first.cells[c], number) == CellKind::number) {
      is_apart = is_apart || number < column.least || number > column.most;
    }
    if (first.kinds[c] == CellKind::number) fractions += 2 * column.fractions > column.numbers + column.texts;
    if (first.kinds[c] != CellKind::text || is_dash(first.cells[c])) continue;
    ++texts;
    NumberStyle with = column.style;
    with.add(first.cells[c]);
    if (column.numbers + column.texts > 0 && column.is_number() && with.is_number()) {
      ++over_itself;  // 20,5 over 19,3
    } else if (column.counts.contains(first.cells[c])) {
      ++over_itself;
    } else if (column.numbers > column.texts || (column.is_number() && column.texts > 0)) {
      ++over_numbers;
    } else if (repeats(column)) {
      ++over_others;
    }
  }
  if (over_numbers > 0) return {true, over_itself > 0, true};
  if (over_itself > 0) return {false, over_others > over_itself};
  std::int64_t count = 0, start = 0;
  const bool are_names = counts_up(first, count, start);
  const bool has_numbers = std::count(first.kinds.begin(), first.kinds.end(), CellKind::number) > 0;
  if (over_others > 0 && (!has_numbers || are_names)) return {true, false};
  const bool only_texts = texts == static_cast<std::int64_t>(first.cells.size());
  if (only_texts && distinct.size() == first.cells.size()) return {true, rows > 0};
  if (texts == 0 && are_names && rows >= enough_rows && (fractions > 0 || (count >= 4 && (start == 0 || start == 1)))) {
    return {true, true};
  }
  return {false, over_others > 0 || (texts == 0 && are_names && is_apart)};
}

}  // namespace cugad
