#pragma once

#include <string>
#include <vector>

#include "cugad/image.hpp"
#include "cugad/table.hpp"

/// Options of readers and encoders as JSON, and lists of lines. Parsing throws Error{invalid_argument} for an unknown
/// key, naming the nearest known one, a key given twice, or a value of a wrong type.
namespace cugad::c_api {

/// `json` may be NULL or empty: the defaults.
ReadOptions read_options_from_json(const char* json);
/// All but the format.
std::string read_options_to_json(const ReadOptions& options);
TableEncoder::Options encoder_options_from_json(const char* json);
ImageOptions image_options_from_json(const char* json);
std::string list_of_lines(const std::vector<std::string>& lines);

}  // namespace cugad::c_api
