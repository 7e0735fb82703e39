#pragma once

#include "cugad/detector.hpp"
#include "host/text/json.hpp"

namespace cugad::c_api {

/// The description shared by detectors and fleets. A TakenApart must guard `object`.
template <class Model>
void describe_model(OrderedJson& object, const Model& model, const Device& device) {
  object["fitted"] = model.fitted();
  object["method"] = get_option(model.options(), "method");
  object["population"] = model.options().population;
  object["device"] = device.name();
  object["precision"] = name_of(device.precision());
  parse_json(options_to_json(model.options()), object["options"]);
  put_list(object["options_without_effect"], options_without_effect(model.options()));
  put_list(object["columns"], model.column_names());
}

}  // namespace cugad::c_api
