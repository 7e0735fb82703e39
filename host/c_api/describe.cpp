#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"

/// What a detector is, and what there is to choose.

using namespace cugad;
using namespace cugad::c_api;
using Json = nlohmann::ordered_json;

namespace {

const Detector& fitted(const cugad_detector* detector) {
  require(detector, "detector");
  if (detector->detector.fitted()) return detector->detector;
  throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
}

std::string all_options() {
  const DetectorOptions defaults;
  const Json values = Json::parse(options_to_json(defaults));
  Json list = Json::array();
  for (const OptionInfo& option : option_list()) {
    list.push_back({{"name", option.name},
                    {"kind", option.kind},
                    {"choices", option.choices},
                    {"help", option.help},
                    {"default", values[option.name]}});
  }
  return list.dump();
}

}  // namespace

extern "C" {

cugad_status cugad_option_list(const char** json) {
  return guard(__func__, [&] {
    require(json, "json");
    *json = nullptr;
    static const std::string text = all_options();
    *json = text.c_str();
  });
}

cugad_status cugad_preset_list(const char** json) {
  return guard(__func__, [&] {
    require(json, "json");
    *json = nullptr;
    static const std::string text = Json(presets()).dump();
    *json = text.c_str();
  });
}

cugad_status cugad_detector_is_fitted(cugad_detector* detector, int32_t* is_fitted) {
  return guard(__func__, [&] {
    require(is_fitted, "fitted");
    require(detector, "detector");
    *is_fitted = detector->detector.fitted() ? 1 : 0;
  });
}

cugad_status cugad_detector_threshold(cugad_detector* detector, float* threshold) {
  return guard(__func__, [&] {
    require(threshold, "threshold");
    *threshold = fitted(detector).threshold();
  });
}

cugad_status cugad_detector_columns(cugad_detector* detector, int64_t* columns) {
  return guard(__func__, [&] {
    require(columns, "columns");
    require(detector, "detector");
    *columns = detector->detector.columns();
  });
}

cugad_status cugad_detector_column_name(cugad_detector* detector, int64_t column, const char** name) {
  return guard(__func__, [&] {
    require(name, "name");
    *name = nullptr;
    const std::vector<std::string>& names = fitted(detector).column_names();
    if (column < 0 || column >= static_cast<std::int64_t>(names.size())) {
      throw Error(ErrorCode::invalid_argument,
                  "column is " + std::to_string(column) + ", expected 0 to " + std::to_string(names.size() - 1));
    }
    *name = names[static_cast<std::size_t>(column)].c_str();
  });
}

cugad_status cugad_detector_methods(cugad_detector* detector, int64_t* methods) {
  return guard(__func__, [&] {
    require(methods, "methods");
    require(detector, "detector");
    *methods = static_cast<std::int64_t>(1 + detector->detector.options().ensemble.size());
  });
}

cugad_status cugad_detector_describe(cugad_detector* detector, const char** json) {
  return guard(__func__, [&] {
    require(json, "json");
    *json = nullptr;
    require(detector, "detector");
    const Detector& d = detector->detector;
    Json told = {{"fitted", d.fitted()},
                 {"method", get_option(d.options(), "method")},
                 {"population", d.options().population},
                 {"device", detector->device.name()},
                 {"precision", name_of(detector->device.precision())},
                 {"options", Json::parse(options_to_json(d.options()))},
                 {"columns", d.column_names()}};
    if (d.fitted()) {
      told["threshold"] = d.threshold();
      told["search_path"] = d.search_path();
    }
    detector->description = told.dump();
    *json = detector->description.c_str();
  });
}

cugad_status cugad_detector_attach(cugad_detector* detector, const char* name, const char* text) {
  return guard(__func__, [&] {
    require(detector, "detector");
    detector->detector.attach(text_of(name, "name"), text_of(text, "text"));
  });
}

cugad_status cugad_detector_attachment(cugad_detector* detector, const char* name, const char** text) {
  return guard(__func__, [&] {
    require(text, "text");
    *text = nullptr;
    require(detector, "detector");
    const std::string* found = detector->detector.attachment(text_of(name, "name"));
    if (found != nullptr) *text = found->c_str();
  });
}

}  // extern "C"
