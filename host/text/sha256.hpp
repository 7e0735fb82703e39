#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace cugad {

/// SHA-256 (FIPS 180-4), to name a file as `sha256sum` does.
class Sha256 {
 public:
  void add(std::string_view bytes);
  /// In hexadecimal digits. Nothing may be added afterwards.
  std::string digest();

 private:
  void mix();

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_{};
  std::uint64_t count_ = 0;
};

}  // namespace cugad
