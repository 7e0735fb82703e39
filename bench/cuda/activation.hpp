#pragma once

#include <cstdint>

namespace cugad::bench {

/// y = y > 0 ? y : slope * y in place, in a separate kernel.
void leaky_relu(void* stream, float* y, std::int64_t count, float slope);

}  // namespace cugad::bench
