#include <array>

#include "cugad/error.hpp"
#include "host/methods/encoder_model.hpp"
#include "host/methods/fanogan.hpp"
#include "host/methods/gan.hpp"

/// The list of methods.
namespace cugad {

extern const MethodDefinition anogan_definition, gan_definition, bigan_definition, ali_definition, egbad_definition,
    ganomaly_definition, fanogan_definition, alad_definition, translation_definition;

namespace {

constexpr std::array definitions = {&anogan_definition,  &gan_definition,   &bigan_definition,
                                    &ali_definition,     &egbad_definition, &ganomaly_definition,
                                    &fanogan_definition, &alad_definition,  &translation_definition};

template <class Model>
std::unique_ptr<AnomalyModel> make(const Device& device, const DetectorOptions& options,
                                   const MethodNetworks& networks) {
  return std::make_unique<Model>(device, options, networks);
}

}  // namespace

const MethodDefinition& definition_of(Method method) {
  for (const MethodDefinition* definition : definitions) {
    if (definition->method == method) return *definition;
  }
  throw Error(ErrorCode::unsupported, "this method is not there");
}

std::span<const MethodDefinition* const> method_definitions() { return definitions; }

std::unique_ptr<AnomalyModel> make_model(const Device& device, const DetectorOptions& resolved_options,
                                         std::int64_t columns, std::int64_t condition) {
  MethodNetworks networks = definition_of(resolved_options.method).networks(resolved_options, columns, condition);
  for (Network& network : networks.networks) network = network.plain();
  switch (resolved_options.method) {
    case Method::anogan:
      return make<AnoGan>(device, resolved_options, networks);
    case Method::fanogan:
      return make<Fanogan>(device, resolved_options, networks);
    case Method::gan:
      return make<Gan>(device, resolved_options, networks);
    default:
      return make<EncoderModel>(device, resolved_options, networks);
  }
}

}  // namespace cugad
