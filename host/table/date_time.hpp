#pragma once

#include <string_view>

namespace cugad {

/// Whether the text is a date, a time of day, or both: 2024-05-01, 01.05.2024 13:55, 5/1/2024, 2024-05-01T13:55:36Z,
/// 10/Oct/2000:13:55:36 -0700, 13:55.
bool is_date_or_time(std::string_view text);

}  // namespace cugad
