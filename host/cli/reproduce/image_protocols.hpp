#pragma once

#include "host/cli/reproduce/protocol.hpp"

namespace cugad::cli {

/// The protocols whose rows are images.
std::vector<Protocol> image_protocols();

}  // namespace cugad::cli
