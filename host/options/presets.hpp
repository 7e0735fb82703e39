#pragma once

#include <vector>

namespace cugad {

/// "option=value option=value": what all presets set first. Protocols train on all rows and know no absent cells, and
/// what the default chooses by the rows is fixed in them.
const char* values_of_all_presets();
/// A named list of option values, applied over the defaults and values_of_all_presets(): lists of values that it shares
/// with others, then its own.
struct Preset {
  const char* name;
  std::vector<const char*> values;
};
const std::vector<Preset>& preset_table();

}  // namespace cugad
