#pragma once

#include <string>

#include "cugad/detector.hpp"

/// Layers as text.
namespace cugad {

/// "128", "conv64k4s2", "up64k4s2bn+1": see Layer.
std::string layer_text(const Layer& layer);
/// Throws Error{invalid_argument} naming the option; `widest`: the most units or channels.
Layer parse_layer(const std::string& option, const std::string& text, int widest);

}  // namespace cugad
