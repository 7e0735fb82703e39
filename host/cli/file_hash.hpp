#pragma once

#include <string>

namespace cugad::cli {

/// The SHA-256 of a file, as `sha256sum` prints it. Throws Error{input_output}.
std::string file_hash(const std::string& path);

}  // namespace cugad::cli
