#include "host/training/method_definition.hpp"

#include <algorithm>

namespace cugad {

bool MethodDefinition::can_score(ScoreRule rule) const {
  return std::find(scores.begin(), scores.end(), rule) != scores.end();
}

bool MethodDefinition::reads(std::string_view option) const {
  return std::find(options.begin(), options.end(), option) != options.end();
}

}  // namespace cugad
