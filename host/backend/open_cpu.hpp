#pragma once

#include <memory>
#include <string_view>

#include "host/backend/backend.hpp"

namespace cugad {

/// The CPU with the widest instruction set of this machine, or with the named one ("avx2", for tests and comparisons).
/// Throws Error{unsupported} if the machine or the build lacks it.
std::shared_ptr<Backend> open_cpu(std::string_view set);

}  // namespace cugad
