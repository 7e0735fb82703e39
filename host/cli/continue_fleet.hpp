#pragma once

#include <string>

#include "host/cli/flags.hpp"

namespace cugad::cli {

/// `train --continue MODEL`: trains the groups that the fleet does not have, with its options and its encoding of
/// tables, and writes it with them. UsageError for flags that say otherwise than the fleet.
void continue_fleet(const std::string& input, const FlagSet& flags);

}  // namespace cugad::cli
