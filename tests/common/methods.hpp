#pragma once

#include <vector>

#include "host/methods/methods.hpp"

namespace cugad::test {

/// The methods that take any table: all but those that need the columns to predict.
inline std::vector<const MethodDefinition*> methods_of_any_table() {
  std::vector<const MethodDefinition*> methods;
  for (const MethodDefinition* method : all_methods()) {
    if (!method->reads("target")) methods.push_back(method);
  }
  return methods;
}

}  // namespace cugad::test
