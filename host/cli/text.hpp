#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Small helpers on texts that the sub-commands share.
namespace cugad::cli {

/// "learning_rate" -> "learning-rate", and back.
std::string with_dashes(std::string name);
std::string with_underscores(std::string name);

/// Reads a whole file; throws Error{input_output} if it cannot.
std::string file_text(const std::string& path);
/// Whether an input can be read more than once: "-" is the standard input, also where a file has that name.
bool is_regular_file(const std::string& input);

/// The text on one line: line breaks become blanks, other control characters escaped.
std::string one_line(std::string_view text);

/// 1234567 -> "1,234,567".
std::string grouped(std::int64_t number);
/// Seconds as text: "0:07", "12:40", "1:02:03".
std::string clock_time(double seconds);

}  // namespace cugad::cli
