#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace cugad {

/// Writes the table of synthesize_telemetry() to `append` in pieces; gzip if `compressed`.
void write_telemetry(const std::function<void(std::string_view)>& append, bool compressed, std::int64_t rows,
                     std::uint64_t seed, std::int64_t groups, bool uneven);

}  // namespace cugad
