#include <array>

#include "cugad/error.hpp"
#include "host/training/method_definition.hpp"

/// The list of methods.
namespace cugad {

extern const MethodDefinition anogan_definition, gan_definition, bigan_definition, ali_definition, egbad_definition,
    ganomaly_definition, fanogan_definition, alad_definition, translation_definition;

namespace {

constexpr std::array definitions = {&anogan_definition,  &gan_definition,   &bigan_definition,
                                    &ali_definition,     &egbad_definition, &ganomaly_definition,
                                    &fanogan_definition, &alad_definition,  &translation_definition};

}  // namespace

const MethodDefinition& definition_of(Method method) {
  for (const MethodDefinition* definition : definitions) {
    if (definition->method == method) return *definition;
  }
  throw Error(ErrorCode::unsupported, "this method is not there");
}

std::span<const MethodDefinition* const> method_definitions() { return definitions; }

}  // namespace cugad
