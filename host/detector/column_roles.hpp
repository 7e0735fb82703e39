#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/detector.hpp"

namespace cugad {

/// The adjacent 0/1 columns "name=value" of one text column, in the caller's rows.
struct Category {
  std::int64_t first = 0, columns = 0;
};

/// The categories, by the names of the columns from `numeric_columns` on.
std::vector<Category> named_categories(const std::vector<std::string>& names, std::int64_t numeric_columns);
/// Of each whether each row has one 1 and zeros in these columns, or nothing but NaN. Reads the rows once.
std::vector<bool> are_categories(MatrixView<const float> rows, const std::vector<Category>& categories);
/// Those of the named ones that have several columns and are categories in all rows.
std::vector<Category> find_categories(MatrixView<const float> rows, const std::vector<std::string>& names,
                                      std::int64_t numeric_columns);

/// The order in which networks see the columns of a table: data columns, then condition columns.
struct ColumnRoles {
  std::vector<std::int64_t> order;   ///< position in the caller's rows of each of the networks' columns
  std::int64_t condition = 0;        ///< how many of them, at the end, are conditions
  std::vector<Category> categories;  ///< for methods that judge cells; part of the model file
  /// Per data column, as the networks see them, the first of its category's, itself for a column alone. Empty: all are.
  std::vector<std::int32_t> group;
};

/// The roles that options.condition gives to columns of these names; with options.target all columns but those are
/// conditions. A name means the column of that name, or all 0/1 columns "name=value" of a category. A category
/// with a column among the conditions is none: its other columns are single ones. Throws Error{invalid_argument} for an
/// unknown name, and where no column is left to judge or to judge by.
ColumnRoles column_roles(const DetectorOptions& options, const std::vector<std::string>& names,
                         std::vector<Category> categories = {});

}  // namespace cugad
