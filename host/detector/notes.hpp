#pragma once

#include <string>
#include <vector>

#include "host/model_file/safetensors.hpp"

namespace cugad {

class Reader;

/// The notes of a fit as metadata "notes" of its model file: JSON, a list of texts; none if there is none.
void add_notes(safetensors::File& file, const std::vector<std::string>& notes);
/// Reads them back; older versions wrote none. Error{format} for anything else than texts.
std::vector<std::string> read_notes(const Reader& reader, const safetensors::File& file);

}  // namespace cugad
