#pragma once

#include "cugad/detector.hpp"
#include "host/cli/flags.hpp"

namespace cugad::cli {

/// Warns about options without effect, each with the option that is the reason.
void warn_of_idle_options(const FlagSet& flags, const DetectorOptions& options);

}  // namespace cugad::cli
