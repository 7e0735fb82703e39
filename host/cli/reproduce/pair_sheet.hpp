#pragma once

#include <optional>

#include "host/cli/reproduce/reproduction.hpp"
#include "host/cli/reproduce/sheet.hpp"

/// Contestants against one another, with their costs.
namespace cugad::cli {

/// What the columns of the sheet mean.
extern const char* const pair_rule;
/// A setting, then the baselines that it is compared with; the sums with d1 + dm last. None if nothing is compared.
std::optional<Sheet> pair_sheet(const Reproduction& report);

}  // namespace cugad::cli
