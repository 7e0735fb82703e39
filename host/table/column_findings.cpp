#include <fmt/format.h>

#include <algorithm>

#include "cugad/table.hpp"
#include "host/table/column_cells.hpp"
#include "host/table/column_names.hpp"
#include "host/text/cell.hpp"
#include "host/text/list_text.hpp"

namespace cugad {
namespace {

using Advice = ColumnFinding::Advice;

constexpr std::int64_t fewest_rows = 10;  ///< from which on texts that all differ are no accident
constexpr std::size_t fewest_names = 20;  ///< distinct texts that may be names of rows
constexpr std::size_t most_codes = 10;    ///< distinct numbers that may be codes: 1, 2, 3+
constexpr std::size_t shown_words = 3;

/// The most frequent words, for a message and for a flag.
std::vector<std::string> frequent_words(const TextCells::Kinds& kinds) {
  auto words = kinds.words;
  std::sort(words.begin(), words.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::string> frequent;
  for (std::size_t w = 0; w < std::min(words.size(), shown_words); ++w) frequent.emplace_back(words[w].first);
  return frequent;
}

ColumnFinding no_value(const std::string& column) {
  return {column, Advice::leave_out, fmt::format("column '{}' is left out: it holds no value", one_line(column))};
}

std::optional<ColumnFinding> find_in_texts(const std::string& column, const TextCells& cells) {
  const std::string name = one_line(column), flag = one_line(csv_cell(column));
  if (cells.values() == 0) return no_value(column);
  const TextCells::Kinds kinds = cells.kinds();
  if (kinds.dates == cells.values()) {
    return ColumnFinding{column, Advice::leave_out,
                         fmt::format("column '{}' is left out: it holds dates or times ('{}'), which come only once "
                                     "(--include {} takes them as categories, --exclude {} confirms it)",
                                     name, one_line(frequent_words(kinds).front()), flag, flag)};
  }
  const std::int64_t others = cells.values() - kinds.numbers;
  if (kinds.numbers > others) {
    const std::vector<std::string> words = frequent_words(kinds);
    const std::string list = fmt::format("'{}'{}", one_line(fmt::format("{}", fmt::join(words, "', '"))),
                                         kinds.words.size() > words.size() ? ", ..." : "");
    const bool are_codes = kinds.distinct_numbers <= most_codes;
    return ColumnFinding{
        column, are_codes ? Advice::note : Advice::refuse,
        fmt::format("column '{}'{}: {} of its cells are numbers, {} are not: {}; --missing '{}' reads them as cells "
                    "without a value, --categorical {} takes all as categories, --exclude {} leaves the column out",
                    name, are_codes ? " is taken as categories" : "", kinds.numbers, others, list,
                    one_line(join_list(words)), flag, flag)};
  }
  if (2 * (kinds.numbers + kinds.other_numbers) > cells.values() && cells.distinct() > fewest_names) {
    return ColumnFinding{
        column, Advice::refuse,
        fmt::format(
            "column '{}': its cells look like numbers that are written in several ways, such as '{}'; write "
            "them alike (--decimal), or --categorical {} takes them as categories, --exclude {} leaves them out",
            name, one_line(fmt::format("{}", fmt::join(frequent_words(kinds), "', '"))), flag, flag)};
  }
  const bool all_differ =
      cells.values() >= fewest_rows && static_cast<std::int64_t>(cells.distinct()) == cells.values();
  if (all_differ ||
      (cells.distinct() > fewest_names && 2 * static_cast<std::int64_t>(cells.distinct()) > cells.values())) {
    return ColumnFinding{column, Advice::leave_out,
                         fmt::format("column '{}' is left out: {} of its {} texts are distinct, as names of rows are "
                                     "(--include {} takes them as categories, --exclude {} confirms it)",
                                     name, cells.distinct(), cells.values(), flag, flag)};
  }
  return std::nullopt;
}

std::optional<ColumnFinding> find_in_numbers(const std::string& column, NumberCells& cells) {
  if (!cells.has_value()) return no_value(column);
  const std::string why = cells.why_no_feature();
  if (why.empty()) return std::nullopt;
  const std::string flag = one_line(csv_cell(column));
  return ColumnFinding{column, Advice::leave_out,
                       fmt::format("column '{}' is left out: {} (--include {} makes it a feature, --exclude {} "
                                   "confirms it)",
                                   one_line(column), why, flag, flag)};
}

ColumnFinding maybe_label(const std::string& column) {
  return {column, Advice::note,
          fmt::format("column '{}' is used as a feature; --label-column {} takes it as the label", one_line(column),
                      one_line(csv_cell(column)))};
}

}  // namespace

std::optional<ColumnFinding> examine_cells(const std::string& name, NumberCells& cells) {
  auto finding = find_in_numbers(name, cells);
  if (!finding && cells.is_like_a_label()) finding = maybe_label(name);
  return finding;
}

std::optional<ColumnFinding> examine_cells(const std::string& name, const TextCells& cells) {
  auto finding = find_in_texts(name, cells);
  if (!finding && cells.is_like_a_label()) finding = maybe_label(name);
  return finding;
}

std::vector<ColumnFinding> examine_columns(const Table& table, std::span<const std::string> settled) {
  const std::vector<std::string> names = column_names(table);
  const ColumnIndex index(names);
  std::vector<bool> is_settled(names.size(), false);
  for (const std::string& name : settled) is_settled[index.find(name)] = true;
  std::vector<ColumnFinding> findings;
  if (table.rows == 0) return findings;
  for (std::size_t c = 0; c < names.size(); ++c) {
    if (is_settled[c]) continue;
    const Column& column = table.columns[c];
    std::optional<ColumnFinding> finding;
    if (column.is_text) {
      TextCells cells(names[c]);
      for (const std::string& text : column.texts) cells.add(text);
      finding = examine_cells(names[c], cells);
    } else {
      NumberCells cells(names[c], table.named && names[c] == std::to_string(c));
      for (const double number : column.numbers) cells.add(number);
      finding = examine_cells(names[c], cells);
    }
    if (finding) findings.push_back(std::move(*finding));
  }
  return findings;
}

}  // namespace cugad
