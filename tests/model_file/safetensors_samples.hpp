#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "host/model_file/safetensors.hpp"

/// What the safetensors tests share: a file with every feature, and files built byte by byte.
namespace cugad::test {

/// The container around a header and data given as they are.
inline std::string container(std::string_view header, std::string_view data) {
  std::string bytes(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes.append(header).append(data);
}

inline safetensors::File sample_file() {
  safetensors::File file;
  file.metadata = {{"format", "cugad"},
                   {"", "empty key"},
                   {"empty value", ""},
                   {"unicode", "\xC3\xA4 \xE2\x88\x91 \xF0\x9F\x99\x82"},
                   {"escapes", std::string("\"\\\n\t\r\x01\x7F/\0end", 12)}};
  file.tensors["generator.0.weight"] = {{2, 3}, {1.5f, -0.0f, 3e38f, 1e-45f, 5, -6}, {}};
  file.tensors["generator.0.bias"] = {{3}, {0.1f, std::numeric_limits<float>::infinity(), -3}, {}};
  file.tensors["scalar"] = {{}, {42.25f}, {}};
  file.tensors["scalar64"] = {{}, {}, {0.1}};
  file.tensors["empty"] = {{0}, {}, {}};
  file.tensors["empty too"] = {{3, 0, 5}, {}, {}};
  file.tensors["quantiles"] = {{2, 1, 2}, {}, {0.25, 1e300, -7, 5e-324}};
  file.tensors["\xC3\xBC\"\n"] = {{1}, {9}, {}};
  file.tensors["bytes"] = {{3, 1}, {}, {}, {0, 255, 7}};
  return file;
}

/// The bytes of a file as earlier versions wrote it: without a checksum, so that damage can be accepted.
inline std::string without_checksum(const std::string& bytes) {
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  header.at("__metadata__").erase("checksum");
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return container(text, bytes.substr(8 + header_bytes));
}

/// Equality to the bit: NaN equals itself and the two zeros differ.
inline bool identical(const safetensors::File& left, const safetensors::File& right) {
  if (left.metadata != right.metadata || left.tensors.size() != right.tensors.size()) return false;
  const auto same_bytes = [](const auto& a, const auto& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0);
  };
  for (const auto& [name, tensor] : left.tensors) {
    const auto found = right.tensors.find(name);
    if (found == right.tensors.end() || found->second.shape != tensor.shape ||
        !same_bytes(found->second.f32, tensor.f32) || !same_bytes(found->second.f64, tensor.f64) ||
        !same_bytes(found->second.u8, tensor.u8))
      return false;
  }
  return true;
}

}  // namespace cugad::test
