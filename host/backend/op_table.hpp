#pragma once

#include <string>

#include "cugad/device.hpp"

namespace cugad {

/// The table of ops and backends, one line per op: name, then yes or no for each backend of this build.
std::string op_table(const Device& device);

}  // namespace cugad
