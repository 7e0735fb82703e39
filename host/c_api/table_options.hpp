#pragma once

#include <string>

#include "cugad/table.hpp"

/// Options of readers and encoders as JSON. Parsing throws Error{invalid_argument} for an unknown key, naming the
/// nearest known one, a key given twice, or a value of a wrong type.
namespace cugad::c_api {

/// `json` may be NULL or empty: the defaults.
ReadOptions read_options_from_json(const char* json);
/// All but the format.
std::string read_options_to_json(const ReadOptions& options);
TableEncoder::Options encoder_options_from_json(const char* json);

}  // namespace cugad::c_api
