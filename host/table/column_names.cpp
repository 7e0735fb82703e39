#include "host/table/column_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "cugad/error.hpp"
#include "host/text/cell.hpp"
#include "host/text/nearest_name.hpp"

namespace cugad {

std::vector<std::string> numbered_names(std::int64_t count) {
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

namespace {

const std::vector<std::string>* fitting_names(std::int64_t count, const ReadOptions& options) {
  for (const std::vector<std::string>& names : options.names) {
    if (static_cast<std::int64_t>(names.size()) == count) return &names;
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> given_names(std::int64_t count, const ReadOptions& options) {
  const std::vector<std::string>* names = fitting_names(count, options);
  return names != nullptr ? *names : numbered_names(count);
}

bool has_given_names(std::int64_t count, const ReadOptions& options) {
  return fitting_names(count, options) != nullptr;
}

ColumnIndex::ColumnIndex(std::span<const std::string> names) : names_(names) {
  positions_.reserve(names.size());
  for (std::size_t c = 0; c < names.size(); ++c) positions_.emplace(names[c], c);  // of several the first
}

std::optional<std::size_t> ColumnIndex::exact(const std::string& name) const {
  const auto found = positions_.find(name);
  return found != positions_.end() ? std::optional(found->second) : std::nullopt;
}

std::size_t ColumnIndex::find(const std::string& name, const std::string& place) const {
  const auto found = exact(name);
  return found ? *found : find_column(names_, name, place);
}

std::size_t find_column(std::span<const std::string> names, const std::string& name, const std::string& place) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());

  const auto count = static_cast<std::int64_t>(names.size());
  std::int64_t position = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data(), end, position);
  const bool is_position = parsed.ptr == end && !name.empty();
  if (is_position && parsed.ec == std::errc() && position >= -count && position < count) {
    return static_cast<std::size_t>(position < 0 ? position + count : position);
  }
  if (is_position) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}no column '{}': expected a name or a position from {} to {}", place, one_line(name),
                            -count, count - 1));
  }
  if (names.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}no column '{}': there are no columns", place, one_line(name)));
  }
  const std::string nearest = nearest_name(name, names);
  if (!nearest.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}no column '{}'; the nearest name is '{}'", place, one_line(name), one_line(nearest)));
  }
  constexpr std::size_t shown = 8;
  std::string known;
  for (const std::string& one : names.first(std::min(shown, names.size()))) {
    known += fmt::format("{}'{}'", known.empty() ? "" : ", ", one_line(one));
  }
  if (names.size() > shown) known += fmt::format(" and {} more", names.size() - shown);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}no column '{}', expected one of {}", place, one_line(name), known));
}

std::vector<bool> listed_as_text(std::span<const std::string> names, const ReadOptions& options,
                                 const std::string& file) {
  std::vector<bool> is_text(names.size(), false);
  const ColumnIndex index(names);
  for (const std::string& name : options.text_columns) is_text[index.find(name, file + ": ")] = true;
  return is_text;
}

void check_chunk_size(std::int64_t max_rows) {
  if (max_rows > 0) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("a chunk of {} rows was asked for, expected at least 1", max_rows));
}

void prepare_columns(Table& chunk, std::span<const std::string> names, const std::vector<bool>& is_text) {
  chunk.rows = 0;
  chunk.unreadable.clear();
  chunk.written.clear();
  chunk.columns.resize(names.size());
  for (std::size_t c = 0; c < names.size(); ++c) {
    Column& column = chunk.columns[c];
    column.name = names[c];
    column.is_text = is_text[c];
    column.numbers.clear();
    column.texts.clear();
  }
}

std::vector<std::string> column_names(const Table& table) {
  std::vector<std::string> names;
  names.reserve(table.columns.size());
  for (const Column& column : table.columns) names.push_back(column.name);
  return names;
}

void clear_row(Table& chunk, std::int64_t row) {
  const auto at = static_cast<std::size_t>(row);
  for (Column& column : chunk.columns) {
    if (column.is_text) {
      column.texts[at].clear();
    } else {
      column.numbers[at] = std::numeric_limits<double>::quiet_NaN();
    }
  }
}

std::size_t Table::find(const std::string& name) const { return find_column(column_names(*this), name); }

}  // namespace cugad
