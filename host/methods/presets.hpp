#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cugad {

/// What all presets set first: protocols train on all rows and know no absent cells, and what the default chooses by
/// the rows is fixed in them.
const std::vector<std::pair<std::string, std::string>>& values_of_all_presets();
/// A named list of option values, applied over the defaults and values_of_all_presets().
struct Preset {
  const char* name;
  std::vector<std::pair<std::string, std::string>> values;
};
const std::vector<Preset>& preset_table();

}  // namespace cugad
