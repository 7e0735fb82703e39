#include "host/detector/column_roles.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "cugad/error.hpp"
#include "cugad/image_shape.hpp"
#include "host/text/nearest_name.hpp"

namespace cugad {
namespace {

/// Marks the columns that `wanted` names.
std::vector<bool> named(const char* option, const std::vector<std::string>& wanted,
                        const std::vector<std::string>& names) {
  std::vector<bool> marked(names.size(), false);
  for (const std::string& name : wanted) {
    const bool exact = std::find(names.begin(), names.end(), name) != names.end();
    bool found = false;
    for (std::size_t c = 0; c < names.size(); ++c) {
      if (exact ? names[c] != name : !names[c].starts_with(name + "=")) continue;
      marked[c] = found = true;
    }
    if (!found) {
      const std::string nearest = nearest_name(name, names);
      throw Error(ErrorCode::invalid_argument, std::string(option) + " names the column '" + name +
                                                   "', which is no feature" +
                                                   (nearest.empty() ? "" : "; nearest: '" + nearest + "'"));
    }
  }
  return marked;
}

/// Marks the pixels of one half of each picture.
std::vector<bool> half_of(const ImageShape& image, const std::string& half, std::size_t columns) {
  std::vector<bool> marked(columns, false);
  const std::int64_t width = std::int64_t{image.width} * image.channels, count = cells_of(image);
  for (std::int64_t c = 0; c < count && c < static_cast<std::int64_t>(columns); ++c)
    marked[static_cast<std::size_t>(c)] = (c % width >= width / 2) == (half == "right");
  return marked;
}

/// The column part of a 0/1 column's name, column=value; empty for other names.
std::string_view column_of(std::string_view feature) {
  const std::size_t end = feature.find('=');
  return end == std::string_view::npos ? std::string_view() : feature.substr(0, end + 1);
}

std::vector<std::int32_t> groups_of(const ColumnRoles& roles, const std::vector<bool>& is_condition) {
  std::vector<std::int32_t> group(roles.order.size() - static_cast<std::size_t>(roles.condition));
  std::iota(group.begin(), group.end(), 0);
  bool is_any = false;
  for (const Category& category : roles.categories) {
    const auto begin = is_condition.begin() + category.first;
    if (std::find(begin, begin + category.columns, true) != begin + category.columns) continue;
    const auto first = std::find(roles.order.begin(), roles.order.end(), category.first) - roles.order.begin();
    std::fill_n(group.begin() + first, category.columns, static_cast<std::int32_t>(first));
    is_any = true;
  }
  if (!is_any) group.clear();
  return group;
}

/// Whether a row's cells are one 1 and zeros, or nothing but NaN.
bool has_category(const float* cell, std::int64_t columns) {
  std::int64_t ones = 0, none = 0, zeros = 0;
  for (std::int64_t c = 0; c < columns; ++c) {
    ones += cell[c] == 1.0f;
    none += std::isnan(cell[c]);
    zeros += cell[c] == 0.0f;
  }
  return none == columns || (ones == 1 && zeros == columns - 1);
}

}  // namespace

std::vector<Category> named_categories(const std::vector<std::string>& names, std::int64_t numeric_columns) {
  std::vector<Category> categories;
  const auto columns = static_cast<std::int64_t>(names.size());
  for (std::int64_t c = numeric_columns, end = 0; c < columns; c = end) {
    end = c + 1;
    if (column_of(names[c]).empty()) continue;
    while (end < columns && column_of(names[end]) == column_of(names[c])) ++end;
    categories.push_back({c, end - c});
  }
  return categories;
}

std::vector<bool> are_categories(MatrixView<const float> rows, const std::vector<Category>& categories) {
  std::vector<bool> are(categories.size(), true);
  auto left = std::ssize(categories);
  for (std::int64_t r = 0; r < rows.rows && left > 0; ++r) {
    for (std::size_t i = 0; i < categories.size(); ++i) {
      if (!are[i] || has_category(rows.row(r) + categories[i].first, categories[i].columns)) continue;
      are[i] = false;
      --left;
    }
  }
  return are;
}

std::vector<Category> find_categories(MatrixView<const float> rows, const std::vector<std::string>& names,
                                      std::int64_t numeric_columns) {
  std::vector<Category> named = named_categories(names, numeric_columns), found;
  std::erase_if(named, [](const Category& one) { return one.columns < 2; });
  const std::vector<bool> are = are_categories(rows, named);
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (are[i]) found.push_back(named[i]);
  }
  return found;
}

ColumnRoles column_roles(const DetectorOptions& options, const std::vector<std::string>& names,
                         std::vector<Category> categories) {
  std::vector<bool> is_condition = named("condition", options.condition, names);
  if (!options.target.empty()) {
    is_condition = options.image ? half_of(*options.image, options.target.front(), names.size())
                                 : named("target", options.target, names);
    is_condition.flip();
  }
  ColumnRoles roles;
  for (const bool condition : {false, true}) {
    for (std::size_t c = 0; c < names.size(); ++c) {
      if (is_condition[c] == condition) roles.order.push_back(static_cast<std::int64_t>(c));
    }
  }
  roles.condition = std::count(is_condition.begin(), is_condition.end(), true);
  if (roles.condition == static_cast<std::int64_t>(names.size())) {
    throw Error(ErrorCode::invalid_argument, "condition names every column: none is left to judge");
  }
  if (!options.target.empty() && roles.condition == 0) {
    throw Error(ErrorCode::invalid_argument, "target names every column: none is left to predict from");
  }
  roles.categories = std::move(categories);
  roles.group = groups_of(roles, is_condition);
  return roles;
}

}  // namespace cugad
