#include "host/c_api/fleet_arguments.hpp"

#include <tuple>

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"

namespace cugad::c_api {

GroupedRows::GroupedRows(const Device& device, const cugad_matrix* given, const char* const* groups_of_rows)
    : x(device, given), groups(texts_of(groups_of_rows, x.rows(), "groups")) {
  if (x.rows() > 0) require_host(device, x.extent().begin, "x");
}

FleetOptions fleet_options_of(const cugad_fleet_options* given) {
  FleetOptions options;
  if (given == nullptr) return options;
  const cugad_fleet_options known = known_struct(given, "options");
  for (const auto& [name, given_rows, rows] : {std::tuple("minimum_rows", known.minimum_rows, &options.minimum_rows),
                                               std::tuple("pooled_rows", known.pooled_rows, &options.pooled_rows)}) {
    if (given_rows < 0) {
      throw Error(ErrorCode::invalid_argument,
                  std::string(name) + " is " + std::to_string(given_rows) + ", expected 1 or more, or 0");
    }
    if (given_rows > 0) *rows = given_rows;
  }
  return options;
}

}  // namespace cugad::c_api
