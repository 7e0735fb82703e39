#pragma once

#include <string>

#include "host/detector/model_reader.hpp"
#include "host/detector/novelty.hpp"

/// The form that Novelty has in a model file: the metadata "novelty".
namespace cugad {

std::string novelty_to_json(const Novelty& novelty);

/// Reads one source of each column, then those of categories; none from older files, nor of detectors without novelty.
Novelty read_novelty(const Reader& reader, std::int64_t columns, std::size_t methods);

}  // namespace cugad
