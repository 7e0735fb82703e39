#pragma once

#include <cstddef>

namespace cugad::test {

/// Bytes requested from operator new by this thread since the program started; freed bytes stay counted.
std::size_t allocated_bytes();

}  // namespace cugad::test
