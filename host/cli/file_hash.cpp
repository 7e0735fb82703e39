#include "host/cli/file_hash.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "cugad/error.hpp"
#include "host/text/sha256.hpp"

namespace cugad::cli {

std::string file_hash(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::input_output, fmt::format("{}: {}", path, std::strerror(errno)));
  Sha256 hash;
  std::array<char, 1 << 16> piece;
  while (file.read(piece.data(), piece.size()) || file.gcount() > 0) {
    hash.add({piece.data(), static_cast<std::size_t>(file.gcount())});
  }
  if (file.bad()) throw Error(ErrorCode::input_output, fmt::format("{}: cannot be read", path));
  return hash.digest();
}

}  // namespace cugad::cli
