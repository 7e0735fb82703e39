#pragma once

#include <string>
#include <vector>

#include "cugad/cugad_fleet.h"
#include "cugad/fleet.hpp"
#include "host/c_api/rows.hpp"

/// What functions of the C interface are given of fleets.
namespace cugad::c_api {

/// Rows of the host, with the group of each.
struct GroupedRows {
  GroupedRows(const Device& device, const cugad_matrix* given, const char* const* groups_of_rows);
  Rows x;
  std::vector<std::string> groups;
};

/// `given` may be NULL.
FleetOptions fleet_options_of(const cugad_fleet_options* given);

}  // namespace cugad::c_api
