#pragma once

#include <string>

#include "host/table/array_reader.hpp"

namespace cugad {

/// Reads the header of an npy stream, which is then positioned at the data. A vector is a matrix of one column.
ArrayLayout read_npy_header(ByteSource& source, const std::string& file);

}  // namespace cugad
