#pragma once

#include "cugad/shards.hpp"
#include "host/cli/flags.hpp"

namespace cugad::cli {

/// The value of --shard; all in one if it is not set. UsageError unless it is I/N.
Shard shard_flag(const FlagSet& flags);

}  // namespace cugad::cli
