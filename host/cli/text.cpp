#include "host/cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cugad/error.hpp"
#include "host/text/cell.hpp"

namespace cugad::cli {

bool is_regular_file(const std::string& input) {
  std::error_code ignored;
  return input != "-" && std::filesystem::is_regular_file(input, ignored);
}

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::input_output, fmt::format("{}: {}", path, std::strerror(errno)));
  std::string text;
  std::array<char, 1 << 14> piece;
  while (file.read(piece.data(), piece.size()) || file.gcount() > 0) text.append(piece.data(), file.gcount());
  if (file.bad()) throw Error(ErrorCode::input_output, fmt::format("{}: cannot be read", path));
  return text;
}

std::string with_dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string one_line(std::string_view text) {
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\r', ' ');
  return escaped(line);
}

std::string grouped(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  const std::int64_t first = number < 0 ? 1 : 0;
  for (std::int64_t position = static_cast<std::int64_t>(digits.size()) - 3; position > first; position -= 3) {
    digits.insert(static_cast<std::size_t>(position), ",");
  }
  return digits;
}

std::string clock_time(double seconds) {
  const auto total = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 1e9) + 0.5);
  if (total >= 3600) return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

}  // namespace cugad::cli
