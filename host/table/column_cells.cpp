#include "host/table/column_cells.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "host/table/date_time.hpp"
#include "host/table/number_format.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr std::int64_t fewest_rows = 10;    ///< from which on numbers that rise with the row are no accident
constexpr std::size_t most_labels = 50;     ///< distinct values of a label
constexpr std::size_t first_search = 64;    ///< integers among which two equal ones are looked for first
constexpr std::size_t search_interval = 4;  ///< then among so many times as many
constexpr std::size_t most_integers = std::size_t{1} << 24;  ///< beyond, the others are taken for distinct ones, too

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

bool is_named_like_a_time(std::string_view name) {
  const std::string text = lower(name);
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  return has("time") || has("date") || has("epoch") || text == "ts" || text.ends_with("_ts");
}

/// 20240229.
bool is_numeric_date(double number) {
  if (!(number >= 19000101 && number <= 21001231) || number != std::trunc(number)) return false;
  const auto whole = static_cast<std::int64_t>(number);
  const std::int64_t month = whole / 100 % 100, day = whole % 100;
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/// Seconds or milliseconds since 1970, of the years 1995 to 2100.
bool is_numeric_time(double number) {
  const double seconds = number > 1e11 ? number / 1000 : number;
  return seconds >= 788918400 && seconds <= 4102444800;
}

bool is_named_like_a_label(std::string_view name) {
  constexpr std::array<std::string_view, 14> words = {"label",      "labels",  "class",        "target",   "y",
                                                      "anomaly",    "outlier", "is_anomaly",   "fraud",    "is_fraud",
                                                      "is_outlier", "attack",  "ground_truth", "anomalous"};
  const std::string text = lower(name);
  return std::find(words.begin(), words.end(), text) != words.end();
}

}  // namespace

NumberCells::NumberCells(std::string_view name, bool is_unnamed)
    : is_named_like_id_(is_named_like_an_id(name)),
      is_unnamed_(is_unnamed),
      is_named_like_label_(is_named_like_a_label(name)),
      are_times_(is_named_like_a_time(name)),
      next_search_(first_search) {}

void NumberCells::add(double number) {
  ++rows_;
  if (is_named_like_label_ && few_.size() <= most_labels) few_.insert(number);
  are_dates_ = are_dates_ && is_numeric_date(number);
  are_times_ = are_times_ && is_numeric_time(number);
  has_value_ = has_value_ || !std::isnan(number);
  if (!std::isnan(number) && is_complete_) return follow(number);
  is_complete_ = may_be_distinct_ = false;
  integers_ = {};
}

void NumberCells::follow(double number) {
  if (rows_ > 1) {
    const double here = number - last_;
    if (rows_ == 2) step_ = here;
    const double distance = std::abs(here - step_);
    if (!(distance <= farthest_from_step_) && !std::isnan(farthest_from_step_)) farthest_from_step_ = distance;
    stands_still_ = stands_still_ || here == 0;
    rises_ = rises_ && here > 0;
  }
  last_ = number;
  least_ = std::min(least_, number);
  most_ = std::max(most_, number);
  are_integers_ = are_integers_ && number == std::trunc(number);
  if (!may_be_distinct_) return;
  if (integers_.size() < most_integers) integers_.push_back(number);
  const bool searches = !rises_ && integers_.size() >= next_search_;
  if (searches) next_search_ = search_interval * integers_.size();
  if (are_integers_ && (!searches || are_distinct())) return;
  may_be_distinct_ = false;
  integers_ = {};
}

bool NumberCells::are_distinct() {
  std::sort(integers_.begin(), integers_.end());
  return std::adjacent_find(integers_.begin(), integers_.end()) == integers_.end();
}

bool NumberCells::is_like_a_label() const { return is_named_like_label_ && few_.size() <= most_labels; }

std::string NumberCells::why_no_feature() {
  if (rows_ < fewest_rows) return "";
  if (rows_ >= 2 * fewest_rows && are_dates_) return "its numbers are dates, which come only once";
  if (rows_ >= 2 * fewest_rows && are_times_) {
    return "its numbers are seconds or milliseconds since 1970, which come only once";
  }
  if (!is_complete_) return "";
  // Differences of integers are exact, those of other numbers off by the rounding of both.
  const double rounding =
      are_integers_ ? 0.0
                    : 4.0 * std::numeric_limits<double>::epsilon() * std::max(std::abs(least_), std::abs(most_)) +
                          1e-9 * std::abs(step_);
  if (!stands_still_ && farthest_from_step_ <= rounding) return "its numbers count the rows";
  if (!are_integers_ || rows_ < 2 * fewest_rows) return "";
  if (rises_) return "its numbers rise from row to row";
  if (!may_be_distinct_ || !are_distinct()) return "";
  if (most_ - least_ == static_cast<double>(rows_ - 1)) return "its numbers number the rows";
  if (is_unnamed_) return "it has no name and a number of its own in each row";
  if (is_named_like_id_) return "it is named like an id and has a number of its own in each row";
  return "";
}

TextCells::TextCells(std::string_view name) : is_named_like_label_(is_named_like_a_label(name)) {}

std::int32_t TextCells::add(std::string_view text) {
  if (text.empty()) {
    has_missing_ = true;
    return missing;
  }
  ++values_;
  if (last_ == nullptr || last_->first != text) {
    auto found = entries_.find(text);
    if (found == entries_.end()) {
      found = entries_.emplace(text, Entry{static_cast<std::int32_t>(entries_.size()), 0}).first;
    }
    last_ = &*found;
  }
  ++last_->second.count;
  return last_->second.number;
}

bool TextCells::is_like_a_label() const {
  return is_named_like_label_ && entries_.size() + (has_missing_ ? 1 : 0) <= most_labels;
}

std::vector<std::string_view> TextCells::texts() const {
  std::vector<std::string_view> texts(entries_.size());
  for (const auto& [text, entry] : entries_) texts[static_cast<std::size_t>(entry.number)] = text;
  return texts;
}

TextCells::Kinds TextCells::kinds() const {
  Kinds kinds;
  for (const auto& [text, entry] : entries_) {
    double number = 0;
    if (parse_cell(text, number) == CellKind::number) {
      kinds.numbers += entry.count;
      ++kinds.distinct_numbers;
      continue;
    }
    kinds.words.emplace_back(text, entry.count);
    if (is_date_or_time(text)) kinds.dates += entry.count;
    if (looks_like_number(text)) kinds.other_numbers += entry.count;
  }
  return kinds;
}

}  // namespace cugad
