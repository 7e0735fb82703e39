#pragma once

#include <string>

#include "host/table/array_reader.hpp"

namespace cugad {

/// Turns the bytes of one numeric element into a number.
using NumberLoader = double (*)(const unsigned char* bytes);

/// The loader for a numeric layout; null if the kind does not exist in that size.
NumberLoader number_loader(const ArrayLayout& layout);

/// A fixed-size text element as UTF-8, without the NULs that fill it up.
std::string load_text(const ArrayLayout& layout, const unsigned char* bytes);

}  // namespace cugad
