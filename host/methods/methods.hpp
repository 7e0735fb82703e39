#pragma once

#include <span>

#include "host/training/method_definition.hpp"

namespace cugad {

/// All methods, in the order of the enumeration.
std::span<const MethodDefinition* const> all_methods();
const MethodDefinition& definition_of(Method method);

}  // namespace cugad
