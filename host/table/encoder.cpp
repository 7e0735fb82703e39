#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/floating_point.hpp"
#include "host/table/column_names.hpp"
#include "host/table/feature_names.hpp"
#include "host/table/number_features.hpp"
#include "host/text/cell.hpp"
#include "host/text/nearest_name.hpp"

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
                  fmt::format("column '{}' has more than {} categories; leave it out (--exclude) or raise the limit "
                              "(--max-categories)",
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
    // The same number may be written 1 in one file and 1.0 in another.
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

/// Finds the columns of the fit in a chunk.
class ChunkColumns {
 public:
  /// `by_position`: the names of the chunk's columns in the table of the fit; empty if its own names count.
  ChunkColumns(const Table& chunk, std::vector<std::string> by_position)
      : chunk_(chunk), names_(by_position.empty() ? column_names(chunk) : std::move(by_position)), index_(names_) {}

  const Column& find(const std::string& name) const {
    if (const auto found = index_.exact(name)) return chunk_.columns[*found];
    const std::string nearest = nearest_name(name, names_);
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the table lacks a column of the model: no column '{}'{}", one_line(name),
                            nearest.empty() ? "" : fmt::format("; the nearest name is '{}'", one_line(nearest))));
  }

  const Column& find_numeric(const std::string& name) const {
    const Column& column = find(name);
    if (!column.is_text) return column;
    double number = 0;
    const auto is_no_number = [&](const std::string& text) { return parse_cell(text, number) != CellKind::number; };
    const auto text = std::find_if(column.texts.begin(), column.texts.end(), is_no_number);
    const std::string found =
        text == column.texts.end()
            ? std::string("text")
            : fmt::format("'{}' in row {}", one_line(*text), chunk_.first_row + (text - column.texts.begin()));
    throw Error(ErrorCode::format, fmt::format("column '{}': found {}, expected numbers as in the table of the fit",
                                               one_line(name), found));
  }

 private:
  const Table& chunk_;
  std::vector<std::string> names_;
  ColumnIndex index_;
};

std::vector<bool> listed(const Table& table, const std::vector<std::string>& names) {
  std::vector<bool> is_listed(table.columns.size(), false);
  const std::vector<std::string> all = column_names(table);
  const ColumnIndex index(all);
  for (const std::string& name : names) is_listed[index.find(name)] = true;
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
      NumberFeatures features;
      for (const double number : column.numbers) features.add(number);
      fitted.offsets_.push_back(features.offset());
      fitted.decimals_.push_back(features.decimals());
    }
  }
  fitted.named_ = table.named;
  fitted.columns_ = column_names(table);
  fitted.feature_names_ = name_features(fitted.numeric_, fitted.categorical_);
  if (fitted.feature_names_.empty()) {
    throw Error(ErrorCode::invalid_argument, "no feature is left: every column is excluded or empty");
  }
  *this = std::move(fitted);
}

/// The columns of the fit's table that are features, in that table's order.
std::vector<std::string> TableEncoder::feature_columns() const {
  std::unordered_set<std::string_view> known(numeric_.begin(), numeric_.end());
  for (const Categorical& column : categorical_) known.insert(column.name);
  std::vector<std::string> features;
  for (const std::string& name : columns_) {
    if (known.contains(name)) features.push_back(name);
  }
  return features;
}

/// The names of a chunk's columns in the table of the fit; empty if the chunk's own names count.
std::vector<std::string> TableEncoder::names_by_position(const Table& chunk) const {
  if ((chunk.named && named_) || columns_.empty()) return {};
  std::vector<std::string> features = feature_columns();
  if (chunk.columns.size() == columns_.size()) return columns_;
  if (chunk.columns.size() == features.size()) return features;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the table has {} columns, which are known by position only, expected {} as in the table of "
                          "the fit{}",
                          chunk.columns.size(), columns_.size(),
                          features.size() == columns_.size()
                              ? ""
                              : fmt::format(", or {} without those that are no features", features.size())));
}

Matrix TableEncoder::encode(const Table& chunk) {
  const FloatingPointEnvironment environment;
  const ChunkColumns columns(chunk, names_by_position(chunk));
  std::vector<const Column*> numeric;
  for (const std::string& name : numeric_) numeric.push_back(&columns.find_numeric(name));
  std::vector<std::vector<std::int64_t>> categories;
  for (const Categorical& column : categorical_) {
    categories.push_back(categories_of(columns.find(column.name), chunk.rows, column.values));
  }

  Matrix matrix(chunk.rows, static_cast<std::int64_t>(feature_names_.size()));
  constexpr std::int64_t block = 64;  // rows that stay in the cache while column after column is written
  for (std::int64_t first = 0; first < chunk.rows; first += block) {
    const std::int64_t end = std::min(first + block, chunk.rows);
    for (std::size_t c = 0; c < numeric.size(); ++c) {
      for (std::int64_t r = first; r < end; ++r) {
        matrix.row(r)[c] = feature_value(numeric[c]->numbers[r], offsets_[c], numeric[c]->name, chunk.first_row + r);
      }
    }
    std::int64_t first_feature = numeric_features();
    for (std::size_t c = 0; c < categorical_.size(); ++c) {
      const auto values = static_cast<std::int64_t>(categorical_[c].values.size());
      for (std::int64_t r = first; r < end; ++r) {
        float* const features = matrix.row(r) + first_feature;
        if (categories[c][r] >= 0) features[categories[c][r]] = 1;
        if (categories[c][r] == Categories::missing) {
          std::fill_n(features, values, std::numeric_limits<float>::quiet_NaN());
        }
      }
      first_feature += values;
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
  ReadOptions options;
  for (const Categorical& column : categorical_) options.text_columns.push_back(column.name);
  options.numeric_columns = numeric_;
  options.by_position = !named_;
  if (!columns_.empty()) options.names = {columns_, feature_columns()};
  return options;
}

}  // namespace cugad
