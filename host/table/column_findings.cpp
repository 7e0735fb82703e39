#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "cugad/table.hpp"
#include "host/table/column_names.hpp"
#include "host/table/date_time.hpp"
#include "host/table/number_format.hpp"
#include "host/text/cell.hpp"
#include "host/text/list_text.hpp"

namespace cugad {
namespace {

using Advice = ColumnFinding::Advice;

constexpr std::int64_t fewest_rows = 10;  ///< from which on numbers that rise with the row are no accident
constexpr std::size_t fewest_names = 20;  ///< distinct texts that may be names of rows
constexpr std::size_t most_codes = 10;    ///< distinct numbers that may be codes: 1, 2, 3+
constexpr std::size_t shown_words = 3;

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter; });
  return made;
}

bool is_named_like_an_id(std::string_view name) {
  constexpr std::array<std::string_view, 12> words = {"id",  "index", "idx",   "row",  "row_id", "rownum",
                                                      "key", "uuid",  "rowid", "guid", "no",     "nr"};
  const std::string text = lower(name);
  for (const std::string_view end : {"number", "nummer", "_nr", "nr.", "no.", " nr", "_no"}) {
    if (text.ends_with(end)) return true;
  }
  return std::find(words.begin(), words.end(), text) != words.end() || text.ends_with("_id") || text.ends_with("-id") ||
         text.ends_with(" id") || name.ends_with("Id") || name.ends_with("ID") || text.starts_with("unnamed: ");
}

bool is_named_like_a_label(std::string_view name) {
  constexpr std::array<std::string_view, 14> words = {"label",      "labels",  "class",        "target",   "y",
                                                      "anomaly",    "outlier", "is_anomaly",   "fraud",    "is_fraud",
                                                      "is_outlier", "attack",  "ground_truth", "anomalous"};
  const std::string text = lower(name);
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// Labels have few values.
bool has_few_values(const Column& column) {
  constexpr std::size_t most_labels = 50;
  std::unordered_set<std::string_view> texts;
  std::unordered_set<double> numbers;
  for (const std::string& text : column.texts) {
    if (texts.insert(text).second && texts.size() > most_labels) return false;
  }
  for (const double number : column.numbers) {
    if (numbers.insert(number).second && numbers.size() > most_labels) return false;
  }
  return true;
}

/// 20240229.
bool is_numeric_date(double number) {
  if (!(number >= 19000101 && number <= 21001231) || number != std::trunc(number)) return false;
  const auto whole = static_cast<std::int64_t>(number);
  const std::int64_t month = whole / 100 % 100, day = whole % 100;
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/// Seconds or milliseconds since 1970, of the years 1995 to 2100, in a column that is named so.
bool is_numeric_time(double number, std::string_view name) {
  const std::string text = lower(name);
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  const bool is_named = has("time") || has("date") || has("epoch") || text == "ts" || text.ends_with("_ts");
  const double seconds = number > 1e11 ? number / 1000 : number;
  return is_named && seconds >= 788918400 && seconds <= 4102444800;
}

/// How the numbers of a column go from row to row.
struct Course {
  bool is_complete = true, are_integers = true, are_distinct = true;
  bool steps_evenly = true, rises = true;
  double least = 0, most = 0;
};

Course course_of(const std::vector<double>& numbers) {
  Course course;
  if (std::any_of(numbers.begin(), numbers.end(), [](double number) { return std::isnan(number); })) {
    course.is_complete = false;
    return course;
  }
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  course.least = *least;
  course.most = *most;
  const double step = numbers.size() > 1 ? numbers[1] - numbers[0] : 0;
  const double rounding = 1e-12 * std::max(std::abs(*least), std::abs(*most)) + 1e-9 * std::abs(step);
  for (std::size_t r = 0; r < numbers.size(); ++r) {
    course.are_integers = course.are_integers && numbers[r] == std::trunc(numbers[r]);
    if (r == 0) continue;
    const double here = numbers[r] - numbers[r - 1];
    course.steps_evenly = course.steps_evenly && here != 0 && std::abs(here - step) <= rounding;
    course.rises = course.rises && here > 0;
  }
  // Inferred from the sequences above if they hold: a set of all numbers is expensive.
  if (!course.rises && course.are_integers) {
    std::unordered_set<double> seen;
    course.are_distinct =
        std::all_of(numbers.begin(), numbers.end(), [&](double number) { return seen.insert(number).second; });
  }
  return course;
}

/// The finding for numbers that count or identify the rows; empty if they may be a feature.
std::string why_no_feature(const Column& column, bool is_unnamed) {
  const auto rows = static_cast<std::int64_t>(column.numbers.size());
  if (rows < fewest_rows) return "";
  const auto all = [&](const auto& is_so) { return std::all_of(column.numbers.begin(), column.numbers.end(), is_so); };
  if (rows >= 2 * fewest_rows && all(is_numeric_date)) return "its numbers are dates, which come only once";
  if (rows >= 2 * fewest_rows && all([&](double number) { return is_numeric_time(number, column.name); })) {
    return "its numbers are seconds or milliseconds since 1970, which come only once";
  }
  const Course course = course_of(column.numbers);
  if (!course.is_complete) return "";
  if (course.steps_evenly) return "its numbers count the rows";
  if (!course.are_integers || rows < 2 * fewest_rows) return "";
  if (course.rises) return "its numbers rise from row to row";
  if (!course.are_distinct) return "";
  if (course.most - course.least == static_cast<double>(rows - 1)) return "its numbers number the rows";
  if (is_unnamed) return "it has no name and a number of its own in each row";
  if (is_named_like_an_id(column.name)) return "it is named like an id and has a number of its own in each row";
  return "";
}

/// What the cells of a text column look like.
struct TextCells {
  std::int64_t values = 0, numbers = 0, other_numbers = 0, dates = 0;
  std::unordered_set<std::string_view> distinct, distinct_numbers;
  std::unordered_map<std::string_view, std::int64_t> words;  ///< cells that are not numbers, with their counts
};

TextCells look_at(const Column& column) {
  TextCells cells;
  for (const std::string& text : column.texts) {
    if (text.empty()) continue;
    ++cells.values;
    cells.distinct.insert(text);
    double number = 0;
    if (parse_cell(text, number) == CellKind::number) {
      ++cells.numbers;
      cells.distinct_numbers.insert(text);
      continue;
    }
    ++cells.words[text];
  }
  for (const auto& [word, count] : cells.words) {
    if (is_date_or_time(word)) cells.dates += count;
    if (looks_like_number(word)) cells.other_numbers += count;
  }
  return cells;
}

/// The most frequent words, for a message and for a flag.
std::vector<std::string> frequent_words(const TextCells& cells) {
  std::vector<std::pair<std::string_view, std::int64_t>> words(cells.words.begin(), cells.words.end());
  std::sort(words.begin(), words.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::string> frequent;
  for (std::size_t w = 0; w < std::min(words.size(), shown_words); ++w) frequent.emplace_back(words[w].first);
  return frequent;
}

std::optional<ColumnFinding> examine_text(const Column& column) {
  const std::string name = one_line(column.name), flag = one_line(csv_cell(column.name));
  const TextCells cells = look_at(column);
  if (cells.values == 0)
    return ColumnFinding{column.name, Advice::leave_out,
                         fmt::format("column '{}' is left out: it holds no value", name)};
  if (cells.dates == cells.values) {
    return ColumnFinding{column.name, Advice::leave_out,
                         fmt::format("column '{}' is left out: it holds dates or times ('{}'), which come only once "
                                     "(--include {} takes them as categories, --exclude {} confirms it)",
                                     name, one_line(frequent_words(cells).front()), flag, flag)};
  }
  const std::int64_t others = cells.values - cells.numbers;
  if (cells.numbers > others) {
    const std::vector<std::string> words = frequent_words(cells);
    const std::string list = fmt::format("'{}'{}", one_line(fmt::format("{}", fmt::join(words, "', '"))),
                                         cells.words.size() > words.size() ? ", ..." : "");
    const bool are_codes = cells.distinct_numbers.size() <= most_codes;
    return ColumnFinding{
        column.name, are_codes ? Advice::note : Advice::refuse,
        fmt::format("column '{}'{}: {} of its cells are numbers, {} are not: {}; --missing '{}' reads them as cells "
                    "without a value, --categorical {} takes all as categories, --exclude {} leaves the column out",
                    name, are_codes ? " is taken as categories" : "", cells.numbers, others, list,
                    one_line(join_list(words)), flag, flag)};
  }
  if (2 * (cells.numbers + cells.other_numbers) > cells.values && cells.distinct.size() > fewest_names) {
    return ColumnFinding{
        column.name, Advice::refuse,
        fmt::format(
            "column '{}': its cells look like numbers that are written in several ways, such as '{}'; write "
            "them alike (--decimal), or --categorical {} takes them as categories, --exclude {} leaves them out",
            name, one_line(fmt::format("{}", fmt::join(frequent_words(cells), "', '"))), flag, flag)};
  }
  const bool all_differ =
      cells.values >= fewest_rows && static_cast<std::int64_t>(cells.distinct.size()) == cells.values;
  if (all_differ ||
      (cells.distinct.size() > fewest_names && 2 * static_cast<std::int64_t>(cells.distinct.size()) > cells.values)) {
    return ColumnFinding{column.name, Advice::leave_out,
                         fmt::format("column '{}' is left out: {} of its {} texts are distinct, as names of rows are "
                                     "(--include {} takes them as categories, --exclude {} confirms it)",
                                     name, cells.distinct.size(), cells.values, flag, flag)};
  }
  return std::nullopt;
}

std::optional<ColumnFinding> examine_numbers(const Column& column, bool is_unnamed) {
  const std::string name = one_line(column.name), flag = one_line(csv_cell(column.name));
  const auto is_value = [](double number) { return !std::isnan(number); };
  if (std::none_of(column.numbers.begin(), column.numbers.end(), is_value)) {
    return ColumnFinding{column.name, Advice::leave_out,
                         fmt::format("column '{}' is left out: it holds no value", name)};
  }
  const std::string why = why_no_feature(column, is_unnamed);
  if (why.empty()) return std::nullopt;
  return ColumnFinding{column.name, Advice::leave_out,
                       fmt::format("column '{}' is left out: {} (--include {} makes it a feature, --exclude {} "
                                   "confirms it)",
                                   name, why, flag, flag)};
}

}  // namespace

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
    const bool is_unnamed = table.named && names[c] == std::to_string(c);
    auto finding = column.is_text ? examine_text(column) : examine_numbers(column, is_unnamed);
    if (!finding && is_named_like_a_label(names[c]) && has_few_values(column)) {
      finding = ColumnFinding{names[c], Advice::note,
                              fmt::format("column '{}' is used as a feature; --label-column {} takes it as the label",
                                          one_line(names[c]), one_line(csv_cell(names[c])))};
    }
    if (finding) findings.push_back(std::move(*finding));
  }
  return findings;
}

}  // namespace cugad
