#include "host/c_api/describe.hpp"

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/detector/telemetry_json.hpp"
#include "host/text/list_text.hpp"

/// The description of a detector, and the lists of options and presets.

using namespace cugad;
using namespace cugad::c_api;

namespace {

std::string all_options() {
  const DetectorOptions defaults;
  OrderedJson values;
  const TakenApart parts_of_values(values);
  parse_json(options_to_json(defaults), values);
  OrderedJson list = OrderedJson::array();
  const TakenApart parts(list);
  for (const OptionInfo& option : option_list()) {
    list.emplace_back(OrderedJson::object());
    OrderedJson& entry = list.back();
    entry["name"] = option.name;
    entry["kind"] = option.kind;
    put_list(entry["choices"], split(option.choices, '|'));
    entry["help"] = option.help;
    entry["default"].swap(values[option.name]);
    if (!option.lowest) continue;
    entry["lowest"] = *option.lowest;
    entry["highest"] = *option.highest;
    if (option.automatic) entry["automatic"] = *option.automatic;
  }
  return list.dump();
}

std::string all_presets() {
  OrderedJson list;
  const TakenApart parts(list);
  put_list(list, presets());
  return list.dump();
}

std::string description(const cugad_detector& handle) {
  const Detector& detector = handle.detector;
  OrderedJson json = OrderedJson::object();
  const TakenApart parts(json);
  describe_model(json, detector, handle.device);
  put_list(json["parts"], detector.parts());
  if (detector.fitted()) {
    json["threshold"] = detector.threshold();
    const Detector::Calibration calibration = detector.calibration();
    OrderedJson& basis = json["calibration"] = OrderedJson::object();
    basis["rows"] = calibration.rows;
    basis["folds"] = calibration.folds;
    put_list(json["notes"], detector.notes());
    json["search_path"] = detector.search_path();
  }
  return json.dump();
}

}  // namespace

extern "C" {

cugad_status cugad_option_list(const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    static const auto& text = *new std::string(all_options());  // never freed: see cugad.h
    *json = text.c_str();
  });
}

cugad_status cugad_preset_list(const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    static const auto& text = *new std::string(all_presets());
    *json = text.c_str();
  });
}

cugad_status cugad_detector_is_fitted(cugad_detector* detector, int32_t* is_fitted) {
  return answer(__func__, [&] {
    require(is_fitted, "fitted");
    *is_fitted = model_of(detector).fitted() ? 1 : 0;
  });
}

cugad_status cugad_detector_threshold(cugad_detector* detector, float* threshold) {
  return answer(__func__, [&] {
    require(threshold, "threshold");
    *threshold = fitted(detector).threshold();
  });
}

cugad_status cugad_detector_set_contamination(cugad_detector* detector, float contamination) {
  return guard(__func__, [&] { fitted(detector).set_contamination(contamination); });
}

cugad_status cugad_detector_set_false_alarm_rate(cugad_detector* detector, float rate) {
  return guard(__func__, [&] { fitted(detector).set_false_alarm_rate(rate); });
}

cugad_status cugad_detector_calibration(cugad_detector* detector, int64_t* rows, int64_t* folds) {
  return answer(__func__, [&] { give(model_of(detector).calibration(), rows, folds); });
}

cugad_status cugad_detector_columns(cugad_detector* detector, int64_t* columns) {
  return answer(__func__, [&] {
    require(columns, "columns");
    *columns = model_of(detector).columns();
  });
}

cugad_status cugad_detector_column_name(cugad_detector* detector, int64_t column, const char** name) {
  return answer(__func__, [&] {
    started(name, "name");
    const std::vector<std::string>& names = fitted(detector).column_names();
    *name = names[index_of(column, names.size(), "column")].c_str();
  });
}

cugad_status cugad_detector_methods(cugad_detector* detector, int64_t* methods) {
  return answer(__func__, [&] {
    require(methods, "methods");
    *methods = static_cast<std::int64_t>(model_of(detector).parts().size());
  });
}

cugad_status cugad_detector_describe(cugad_detector* detector, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(detector, "detector");
    detector->description = description(*detector);
    *json = detector->description.c_str();
  });
}

cugad_status cugad_detector_telemetry(cugad_detector* detector, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(detector, "detector");
    detector->telemetry = telemetry_to_json(detector->detector.telemetry());
    *json = detector->telemetry.c_str();
  });
}

cugad_status cugad_detector_attach(cugad_detector* detector, const char* name, const char* text) {
  return guard(__func__, [&] { model_of(detector).attach(text_of(name, "name"), text_of(text, "text")); });
}

cugad_status cugad_detector_attachment(cugad_detector* detector, const char* name, const char** text) {
  return guard(__func__, [&] { get_attachment(detector, name, text); });
}

}  // extern "C"
