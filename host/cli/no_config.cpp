#include <fmt/format.h>

#include "cugad/error.hpp"
#include "host/cli/config.hpp"

/// A build without toml++.
namespace cugad::cli {

std::vector<ConfigEntry> read_config(const std::string& path) {
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: this cugad was built without toml++ and reads no --config files; give flags", path));
}

}  // namespace cugad::cli
