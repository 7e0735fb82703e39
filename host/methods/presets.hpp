#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cugad {

/// A named list of option values, applied over the defaults.
struct Preset {
  const char* name;
  std::vector<std::pair<std::string, std::string>> values;
};
const std::vector<Preset>& preset_table();

}  // namespace cugad
