#pragma once

#include <string>
#include <vector>

#include "cugad/table.hpp"

namespace cugad::cli {

/// Reports on standard error the columns of a table that are probably not features (see examine_columns()), and returns
/// those to leave out. Throws Error{format} if a column cannot be used without a choice. `settled`: columns that are
/// not features, or that the user chose.
std::vector<std::string> doubtful_columns(const Table& table, const std::vector<std::string>& settled);

/// Returns the columns without a value in any of the training rows, and reports each on standard error.
std::vector<std::string> columns_without_value(const Table& table, const std::vector<std::string>& excluded);

/// One line on standard error that names the features whose value never changes; none if there are none.
void note_constant_features(const Matrix& rows, const std::vector<std::string>& names);

}  // namespace cugad::cli
