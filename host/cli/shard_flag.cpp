#include "host/cli/shard_flag.hpp"

#include <fmt/format.h>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"

namespace cugad::cli {

Shard shard_flag(const FlagSet& flags) {
  if (!flags.given("shard")) return {};
  try {
    return shard_from(flags.text("shard"));
  } catch (const Error& error) {
    throw UsageError(fmt::format("--shard: {}", error.what()));
  }
}

}  // namespace cugad::cli
