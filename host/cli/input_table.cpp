#include "host/cli/input_table.hpp"

#include <array>
#include <fstream>
#include <string_view>

#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

/// By content: a pipe must not lose its first bytes, and is no Parquet file, which is read from its end.
bool is_parquet(const std::string& path) {
  if (!is_regular_file(path)) return false;
  std::ifstream file(path, std::ios::binary);
  std::array<char, 4> start = {};
  return file.read(start.data(), start.size()) && std::string_view(start.data(), start.size()) == "PAR1";
}

}  // namespace

std::unique_ptr<TableReader> open_input(const std::string& input, const ReadOptions& options) {
  return is_parquet(input) ? open_parquet(input, options) : open_table(input, options);
}

}  // namespace cugad::cli
