#include "host/detector/telemetry_json.hpp"

#include "host/text/json.hpp"

namespace cugad {

std::string telemetry_to_json(const std::vector<ModelTelemetry>& models) {
  OrderedJson list = OrderedJson::array();
  const TakenApart parts(list);
  for (const ModelTelemetry& model : models) {
    list.emplace_back(OrderedJson::object());
    OrderedJson& told = list.back();
    told["discriminator_loss"] = model.discriminator_loss;
    told["generator_loss"] = model.generator_loss;
    told["real_probability"] = model.real_probability;
    told["fake_probability"] = model.fake_probability;
    told["discriminator_gradient"] = model.discriminator_gradient;
    told["generator_gradient"] = model.generator_gradient;
    told["restorations"] = model.restorations;
    told["resting"] = model.resting;
  }
  return list.dump();
}

}  // namespace cugad
