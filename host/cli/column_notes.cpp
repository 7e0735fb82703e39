#include "host/cli/column_notes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/cli/output.hpp"
#include "host/cli/text.hpp"
#include "host/table/cell.hpp"

namespace cugad::cli {
namespace {

void warn_of_text(const Column& column) {
  std::int64_t numbers = 0, others = 0;
  std::string example;
  for (const std::string& text : column.texts) {
    double number = 0;
    const CellKind kind = parse_cell(text, number);
    numbers += kind == CellKind::number;
    if (kind != CellKind::text) continue;
    if (others++ == 0) example = text;
  }
  if (others == 0 || numbers <= others) return;
  print_note(fmt::format(
      "cugad: warning: column '{}' is taken as categories, because {} of its cells are no numbers, the first "
      "of them '{}'; {} are",
      cugad::one_line(column.name), grouped(others), cugad::one_line(example), grouped(numbers)));
}

void warn_of_precision(const Column& column) {
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  for (const double number : column.numbers) {  // a missing cell changes neither
    if (number < lowest) lowest = number;
    if (number > highest) highest = number;
  }
  const double step = std::max(std::abs(lowest), std::abs(highest)) * std::numeric_limits<float>::epsilon();
  constexpr double fewest_steps = 1000;
  if (!(highest > lowest) || highest - lowest >= fewest_steps * step) return;
  print_note(fmt::format(
      "cugad: warning: column '{}' goes from {} to {}, which single precision tells in steps of {:.2g} only; "
      "subtract an offset, or leave it out with --exclude",
      cugad::one_line(column.name), lowest, highest, step));
}

}  // namespace

void warn_of_doubtful_columns(const Table& table, const std::vector<std::string>& settled) {
  std::vector<bool> is_settled(table.columns.size(), false);
  for (const std::string& name : settled) is_settled[table.find(name)] = true;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (is_settled[c]) continue;
    const Column& column = table.columns[c];
    column.is_text ? warn_of_text(column) : warn_of_precision(column);
  }
}

}  // namespace cugad::cli
