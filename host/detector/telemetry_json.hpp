#pragma once

#include <string>
#include <vector>

#include "cugad/detector.hpp"

namespace cugad {

/// A JSON list with an object per model; null for a number that is not finite.
std::string telemetry_to_json(const std::vector<ModelTelemetry>& models);

}  // namespace cugad
