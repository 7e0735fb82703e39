#pragma once

#include <string>
#include <vector>

#include "cugad/table.hpp"

namespace cugad::cli {

/// Tells on standard error, and decides, which columns of a table are hardly meant as features (see examine_columns()):
/// returns those that are left out. Throws Error{format} where a column cannot be used without a choice. `settled` are
/// columns that are no features, or that the user chose.
std::vector<std::string> doubtful_columns(const Table& table, const std::vector<std::string>& settled);

/// Columns without a value in any of the training rows, each told on standard error.
std::vector<std::string> columns_without_value(const Table& table, const std::vector<std::string>& excluded);

/// One line on standard error that names the features whose value never changes; none if there are none.
void note_constant_features(const Matrix& rows, const std::vector<std::string>& names);

}  // namespace cugad::cli
