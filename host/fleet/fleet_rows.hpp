#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "cugad/fleet.hpp"
#include "host/detector/fitting.hpp"

namespace cugad {

/// Everything that a fit works on.
struct FleetRows {
  MatrixView<const float> rows;
  Columns columns;
  FitColumns fit_columns;
  std::map<std::string, std::vector<std::int64_t>> of_group;
};

/// The positions of each group's rows; Error{invalid_argument} for a name that is not UTF-8.
std::map<std::string, std::vector<std::int64_t>> rows_of_groups(std::span<const std::string> groups);

/// All named groups, and which of them get models; reports those that get none.
std::vector<FleetGroup> choose_groups(const FleetRows& rows, std::int64_t minimum_rows, const FitControl& control);

}  // namespace cugad
