#pragma once

#include <string_view>
#include <vector>

#include "cugad/detector.hpp"
#include "host/text/json.hpp"

namespace cugad {

/// The lines that `cugad train --log` writes, one JSON object each. Throws Error{format} that names `file` and the
/// line.
std::vector<FitProgress> training_history(std::string_view lines, std::string_view file);

/// "training": statistics of each model at the end, and its curves, thinned to some hundred points; of many models the
/// first.
void put_training(OrderedJson& place, const std::vector<ModelTelemetry>& at_end,
                  const std::vector<FitProgress>& history);

}  // namespace cugad
