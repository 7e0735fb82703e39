#include "host/detector/column_roles.hpp"

#include <algorithm>

#include "cugad/error.hpp"
#include "host/text/nearest_name.hpp"

namespace cugad {
namespace {

/// Marks the columns that `wanted` names.
std::vector<bool> named(const char* option, const std::vector<std::string>& wanted,
                        const std::vector<std::string>& names) {
  std::vector<bool> marked(names.size(), false);
  for (const std::string& name : wanted) {
    const bool exact = std::find(names.begin(), names.end(), name) != names.end();
    bool found = false;
    for (std::size_t c = 0; c < names.size(); ++c) {
      if (exact ? names[c] != name : !names[c].starts_with(name + "=")) continue;
      marked[c] = found = true;
    }
    if (!found) {
      const std::string nearest = nearest_name(name, names);
      throw Error(ErrorCode::invalid_argument, std::string(option) + " names the column '" + name +
                                                   "', which is no feature" +
                                                   (nearest.empty() ? "" : "; nearest: '" + nearest + "'"));
    }
  }
  return marked;
}

}  // namespace

ColumnRoles column_roles(const DetectorOptions& options, const std::vector<std::string>& names) {
  std::vector<bool> is_condition = named("condition", options.condition, names);
  if (!options.target.empty()) {
    is_condition = named("target", options.target, names);
    is_condition.flip();
  }
  ColumnRoles roles;
  for (const bool condition : {false, true}) {
    for (std::size_t c = 0; c < names.size(); ++c) {
      if (is_condition[c] == condition) roles.order.push_back(static_cast<std::int64_t>(c));
    }
  }
  roles.condition = std::count(is_condition.begin(), is_condition.end(), true);
  if (roles.condition == static_cast<std::int64_t>(names.size())) {
    throw Error(ErrorCode::invalid_argument, "condition names every column: none is left to judge");
  }
  if (!options.target.empty() && roles.condition == 0) {
    throw Error(ErrorCode::invalid_argument, "target names every column: none is left to predict from");
  }
  return roles;
}

}  // namespace cugad
