#include <cstring>

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/describe.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"

/// What a fleet is: its groups, their models, its columns.

using namespace cugad;
using namespace cugad::c_api;

namespace {

std::string description(const cugad_fleet& handle) {
  const Fleet& fleet = handle.fleet;
  OrderedJson json = OrderedJson::object();
  const TakenApart parts(json);
  describe_model(json, fleet, handle.device);
  put_list(json["parts"], fleet.parts());
  OrderedJson& scored = json["scored"] = OrderedJson::object();
  scored["rows"] = fleet.scored().rows;
  scored["small"] = fleet.scored().small;
  scored["unseen"] = fleet.scored().unseen;
  put_list(scored["examples"], fleet.scored().examples);
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

extern "C" {

cugad_status cugad_fleet_is_fitted(cugad_fleet* fleet, int32_t* fitted) {
  return answer(__func__, [&] {
    require(fitted, "fitted");
    *fitted = model_of(fleet).fitted() ? 1 : 0;
  });
}

cugad_status cugad_fleet_groups(cugad_fleet* fleet, int64_t* groups) {
  return answer(__func__, [&] {
    require(groups, "groups");
    *groups = static_cast<std::int64_t>(model_of(fleet).groups().size());
  });
}

cugad_status cugad_fleet_group_at(cugad_fleet* fleet, int64_t index, cugad_fleet_group* group) {
  return answer(__func__, [&] {
    require(fleet, "fleet");
    cugad_fleet_group known = known_struct(group, "group");
    const std::vector<FleetGroup>& all = fleet->fleet.groups();
    const FleetGroup& found = all[index_of(index, all.size(), "index")];
    known.name = found.name.c_str();
    known.rows = found.rows;
    known.own_model = found.own_model ? 1 : 0;
    known.threshold = found.threshold;
    std::memcpy(group, &known, sizeof known);
  });
}

cugad_status cugad_fleet_take_out(cugad_fleet* fleet, const char* group, cugad_detector** detector) {
  return guard(__func__, [&] {
    started(detector, "detector");
    require(fleet, "fleet");
    Detector taken = group == nullptr ? fleet->fleet.pooled() : fleet->fleet.take_out(group);
    *detector = new cugad_detector(fleet->device, fleet->device_stream, std::move(taken));
  });
}

cugad_status cugad_fleet_set_contamination(cugad_fleet* fleet, float contamination) {
  return guard(__func__, [&] { model_of(fleet).set_contamination(contamination); });
}

cugad_status cugad_fleet_set_false_alarm_rate(cugad_fleet* fleet, float rate) {
  return guard(__func__, [&] { model_of(fleet).set_false_alarm_rate(rate); });
}

cugad_status cugad_fleet_calibration(cugad_fleet* fleet, const char* group, int64_t* rows, int64_t* folds) {
  return guard(__func__, [&] {
    require(fleet, "fleet");
    // No group has an empty name: it is the pooled model's.
    const Detector::Calibration calibration = fleet->fleet.calibration(group == nullptr ? "" : group);
    give(calibration, rows, folds);
  });
}

cugad_status cugad_fleet_columns(cugad_fleet* fleet, int64_t* columns) {
  return answer(__func__, [&] {
    require(columns, "columns");
    *columns = model_of(fleet).columns();
  });
}

cugad_status cugad_fleet_column_name(cugad_fleet* fleet, int64_t column, const char** name) {
  return answer(__func__, [&] {
    started(name, "name");
    const std::vector<std::string>& names = model_of(fleet).column_names();
    *name = names[index_of(column, names.size(), "column")].c_str();
  });
}

cugad_status cugad_fleet_describe(cugad_fleet* fleet, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(fleet, "fleet");
    fleet->description = description(*fleet);
    *json = fleet->description.c_str();
  });
}

cugad_status cugad_fleet_attach(cugad_fleet* fleet, const char* name, const char* text) {
  return guard(__func__, [&] { model_of(fleet).attach(text_of(name, "name"), text_of(text, "text")); });
}

cugad_status cugad_fleet_attachment(cugad_fleet* fleet, const char* name, const char** text) {
  return guard(__func__, [&] { get_attachment(fleet, name, text); });
}

}  // extern "C"
