#pragma once

#include <string>
#include <vector>

#include "cugad/table.hpp"

namespace cugad::cli {

/// Warnings on standard error about feature columns that are hardly meant so: numbers that became categories because of
/// a few other cells, and numbers whose differences single precision cannot tell. `settled` are columns that are no
/// features, or whose kind the user chose.
void warn_of_doubtful_columns(const Table& table, const std::vector<std::string>& settled);

}  // namespace cugad::cli
