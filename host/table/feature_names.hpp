#pragma once

#include <string>
#include <vector>

namespace cugad {

/// "bytes", ..., then "service=http", ...: the order of TableEncoder's features. `Categorical` has a name and values.
template <class Categorical>
std::vector<std::string> name_features(const std::vector<std::string>& numeric,
                                       const std::vector<Categorical>& categorical) {
  std::vector<std::string> names = numeric;
  for (const Categorical& column : categorical) {
    for (const std::string& value : column.values) names.push_back(column.name + "=" + value);
  }
  return names;
}

}  // namespace cugad
