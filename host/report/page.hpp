#pragma once

#include <span>
#include <string>

#include "host/text/json.hpp"

namespace cugad {

/// Throws Error{unsupported} in a build without Chart.js.
void check_has_charts();
/// The page of host/report/page with its style, its scripts and its data in it.
std::string page_of(const std::string& title, const OrderedJson& data);
/// As a link that holds the bytes: "data:image/png;base64,...".
std::string png_link(std::span<const std::byte> png);

}  // namespace cugad
