#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/floating_point.hpp"
#include "host/table/cell.hpp"
#include "host/table/feature_names.hpp"

namespace cugad {
namespace {

void require_utf8(std::string_view text, const std::string& where) {
  if (is_utf8(text)) return;
  throw Error(ErrorCode::format, fmt::format("{} is not UTF-8 text; convert the file first", where));
}

/// The distinct values of a column in ASCII order; missing cells are no value.
std::vector<std::string> distinct_values(const Column& column, std::int64_t most) {
  std::unordered_set<std::string> distinct;
  const auto add = [&](const std::string& value) {
    if (value.empty() || !distinct.insert(value).second) return;
    if (static_cast<std::int64_t>(distinct.size()) > most) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("column '{}' has more than {} categories; exclude it or raise the limit",
                              one_line(column.name), most));
    }
    require_utf8(value, fmt::format("column '{}': the value '{}'", one_line(column.name), one_line(value)));
  };
  for (const std::string& text : column.texts) add(text);
  // Runs of one number are common; turning each into text would cost more than everything else.
  double last = std::numeric_limits<double>::quiet_NaN();
  for (const double number : column.numbers) {
    if (number != last) add(number_text(number));
    last = number;
  }
  std::vector<std::string> values(distinct.begin(), distinct.end());
  std::sort(values.begin(), values.end());
  return values;
}

/// Finds the category of a cell.
class Categories {
 public:
  static constexpr std::int64_t none = -1, missing = -2;

  explicit Categories(const std::vector<std::string>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      exact_.emplace(values[i], i);
      const std::string shortest = shortest_number(values[i]);
      if (!shortest.empty()) by_number_.emplace(shortest, i);  // of several texts for one number the first
    }
  }

  std::int64_t find(std::string_view text) const {
    if (text.empty()) return missing;
    if (const auto found = exact_.find(text); found != exact_.end()) return found->second;
    // One file may write 1 where another writes 1.0.
    const auto found = by_number_.find(shortest_number(text));
    return found != by_number_.end() ? found->second : none;
  }

 private:
  static std::string shortest_number(std::string_view text) {
    double number = 0;
    return parse_cell(text, number) == CellKind::number ? number_text(number) : std::string();
  }

  std::unordered_map<std::string_view, std::int64_t> exact_;
  std::unordered_map<std::string, std::int64_t> by_number_;
};

/// The category of every row of a column.
std::vector<std::int64_t> categories_of(const Column& column, std::int64_t rows,
                                        const std::vector<std::string>& values) {
  const Categories categories(values);
  std::vector<std::int64_t> found(static_cast<std::size_t>(rows));
  for (std::int64_t r = 0; r < rows; ++r) {
    const bool repeats =
        r > 0 && (column.is_text ? column.texts[r] == column.texts[r - 1] : column.numbers[r] == column.numbers[r - 1]);
    found[r] = repeats          ? found[r - 1]
               : column.is_text ? categories.find(column.texts[r])
                                : categories.find(number_text(column.numbers[r]));
  }
  return found;
}

const Column& column_of(const Table& chunk, const std::string& name) {
  try {
    return chunk.columns[chunk.find(name)];
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_argument, fmt::format("the table lacks a column of the model: {}", error.what()));
  }
}

const Column& numeric_column(const Table& chunk, const std::string& name) {
  const Column& column = column_of(chunk, name);
  if (!column.is_text) return column;
  double number = 0;
  const auto is_no_number = [&](const std::string& text) { return parse_cell(text, number) != CellKind::number; };
  const auto text = std::find_if(column.texts.begin(), column.texts.end(), is_no_number);
  const std::string found = text == column.texts.end() ? std::string("text")
                                                       : fmt::format("'{}' in row {}", one_line(*text),
                                                                     chunk.first_row + (text - column.texts.begin()));
  throw Error(ErrorCode::format,
              fmt::format("column '{}': found {}, expected numbers as in the table of the fit", one_line(name), found));
}

float feature_value(double number, const Column& column, std::int64_t row) {
  const float value = static_cast<float>(number);
  if (!std::isinf(value)) return value;
  throw Error(ErrorCode::format, fmt::format("row {}, column '{}': found {}, expected a number of at most {}", row,
                                             one_line(column.name), number, std::numeric_limits<float>::max()));
}

std::vector<bool> listed(const Table& table, const std::vector<std::string>& names) {
  std::vector<bool> is_listed(table.columns.size(), false);
  for (const std::string& name : names) is_listed[table.find(name)] = true;
  return is_listed;
}

}  // namespace

void TableEncoder::fit(const Table& table, const Options& options) {
  const FloatingPointEnvironment environment;
  const std::vector<bool> categorical = listed(table, options.categorical);
  const std::vector<bool> excluded = listed(table, options.excluded);
  if (table.rows < 1) {
    throw Error(ErrorCode::invalid_argument, "the table has no rows, expected at least 1 to learn from");
  }
  TableEncoder fitted;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const Column& column = table.columns[c];
    if (excluded[c]) continue;
    require_utf8(column.name, fmt::format("the column name '{}'", one_line(column.name)));
    if (column.is_text || categorical[c]) {
      fitted.categorical_.push_back({column.name, distinct_values(column, options.max_categories)});
    } else {
      fitted.numeric_.push_back(column.name);
    }
  }
  fitted.feature_names_ = name_features(fitted.numeric_, fitted.categorical_);
  if (fitted.feature_names_.empty()) {
    throw Error(ErrorCode::invalid_argument, "no feature is left: every column is excluded or empty");
  }
  *this = std::move(fitted);
}

Matrix TableEncoder::encode(const Table& chunk) {
  const FloatingPointEnvironment environment;
  std::vector<const Column*> numeric;
  for (const std::string& name : numeric_) numeric.push_back(&numeric_column(chunk, name));
  std::vector<std::vector<std::int64_t>> categories;
  for (const Categorical& column : categorical_) {
    categories.push_back(categories_of(column_of(chunk, column.name), chunk.rows, column.values));
  }

  Matrix matrix(chunk.rows, static_cast<std::int64_t>(feature_names_.size()));
  constexpr std::int64_t block = 64;  // rows that stay in the cache while column after column is written
  for (std::int64_t first = 0; first < chunk.rows; first += block) {
    const std::int64_t end = std::min(first + block, chunk.rows);
    for (std::size_t c = 0; c < numeric.size(); ++c) {
      for (std::int64_t r = first; r < end; ++r) {
        matrix.row(r)[c] = feature_value(numeric[c]->numbers[r], *numeric[c], chunk.first_row + r);
      }
    }
    std::int64_t first_feature = numeric_features();
    for (std::size_t c = 0; c < categorical_.size(); ++c) {
      for (std::int64_t r = first; r < end; ++r) {
        if (categories[c][r] >= 0) matrix.row(r)[first_feature + categories[c][r]] = 1;
      }
      first_feature += static_cast<std::int64_t>(categorical_[c].values.size());
    }
  }
  // Counted last: a chunk that could not be encoded counts nothing.
  for (std::size_t c = 0; c < categorical_.size(); ++c) {
    const auto count = std::count(categories[c].begin(), categories[c].end(), Categories::none);
    if (count > 0) unseen_[categorical_[c].name] += count;
  }
  return matrix;
}

ReadOptions TableEncoder::read_options() const {
  // Columns of no interest may hold text, so kinds are still inferred; encode refuses text where it needs numbers.
  ReadOptions options;
  for (const Categorical& column : categorical_) options.text_columns.push_back(column.name);
  return options;
}

}  // namespace cugad
