#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/detector.hpp"

namespace cugad {

/// The order in which networks see the columns of a table: data columns, then condition columns.
struct ColumnRoles {
  std::vector<std::int64_t> order;  ///< position in the caller's rows of each of the networks' columns
  std::int64_t condition = 0;       ///< how many of them, at the end, are conditions
};

/// The roles that options.condition gives to columns of these names; with options.target all columns but those are
/// conditions. A name stands for the column of that name, or for all 0/1 columns "name=value" of a category. Throws
/// Error{invalid_argument} for an unknown name, and where no column is left to judge or to judge by.
ColumnRoles column_roles(const DetectorOptions& options, const std::vector<std::string>& names);

}  // namespace cugad
