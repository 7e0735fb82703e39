#include "host/methods/methods.hpp"

#include <array>

#include "cugad/error.hpp"

/// The list of methods.
namespace cugad {

/// In the order of the enumeration.
#define CUGAD_METHODS(X) \
  X(anogan) X(gan) X(bigan) X(ali) X(egbad) X(ganomaly) X(fanogan) X(alad) X(translation) X(sogaal) X(knn) X(gain)

#define CUGAD_DECLARE(name) extern const MethodDefinition name##_definition;
CUGAD_METHODS(CUGAD_DECLARE)
#undef CUGAD_DECLARE

std::span<const MethodDefinition* const> all_methods() {
#define CUGAD_ADDRESS(name) &name##_definition,
  static constexpr std::array definitions = {CUGAD_METHODS(CUGAD_ADDRESS)};
#undef CUGAD_ADDRESS
  return definitions;
}

/// The compiler warns of an enumerator that the list lacks.
const MethodDefinition& definition_of(Method method) {
  switch (method) {
#define CUGAD_CASE(name) \
  case Method::name:     \
    return name##_definition;
    CUGAD_METHODS(CUGAD_CASE)
#undef CUGAD_CASE
  }
  throw Error(ErrorCode::unsupported, "this method is not there");
}

}  // namespace cugad
