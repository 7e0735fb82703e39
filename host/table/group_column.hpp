#pragma once

#include <string>
#include <vector>

#include "cugad/table.hpp"

namespace cugad {

/// The shortest text of each number of a column; of a missing one "".
std::vector<std::string> number_texts(const Column& column);

/// The group of each row of a table (or of a chunk): its cell of `column`, a missing one as "". A group is named by the
/// text of the file if the column was read as text; let ReadOptions::text_columns list it. If it was read as numbers,
/// their shortest text names it ("007" and "7.0" are then "7"). Throws Error{invalid_argument} if there is no such
/// column.
std::vector<std::string> row_groups(const Table& table, const std::string& column);

}  // namespace cugad
