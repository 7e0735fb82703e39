#include "host/detector/compared_options.hpp"

#include <algorithm>
#include <array>

#include "host/detector/column_roles.hpp"
#include "host/detector/fitting.hpp"

namespace cugad {
namespace {

/// What the rows decide is as in `base`, unless it is another value.
ComparedOptions compare(const Detector& detector, const DetectorOptions& options, const std::string& preset,
                        DetectorOptions base) {
  ComparedOptions compared = {.preset = preset, .changed = {}, .unchanged = {}};
  for (const char* name : {"condition", "target"}) set_option(base, name, get_option(options, name));
  const std::int64_t judged = detector.columns() - column_roles(options, detector.column_names()).condition;
  const std::array by_rows = {resolve(base, 1, judged), resolve(base, 1, judged, INT32_MAX)};
  const std::vector<std::string> idle = options_without_effect(options);
  for (const OptionInfo& info : option_list()) {
    if (info.name == "method" || std::find(idle.begin(), idle.end(), info.name) != idle.end()) continue;
    const std::string value = get_option(options, info.name), usual = get_option(base, info.name);
    const auto is_value = [&](const DetectorOptions& resolved) { return get_option(resolved, info.name) == value; };
    const bool is_by_rows = value != usual && std::any_of(by_rows.begin(), by_rows.end(), is_value);
    auto& list = value == usual || is_by_rows ? compared.unchanged : compared.changed;
    list.push_back({info.name, value, usual, is_by_rows});
  }
  return compared;
}

}  // namespace

ComparedOptions compare_options(const Detector& detector, const DetectorOptions& options) {
  const std::string method = get_option(options, "method");
  DetectorOptions defaults;
  set_option(defaults, "method", method);
  ComparedOptions nearest = compare(detector, options, "", defaults);
  for (const std::string& preset : presets()) {
    DetectorOptions base;
    apply_preset(base, preset);
    if (get_option(base, "method") != method) continue;
    ComparedOptions compared = compare(detector, options, preset, base);
    if (compared.changed.size() < nearest.changed.size()) nearest = std::move(compared);
  }
  return nearest;
}

}  // namespace cugad
