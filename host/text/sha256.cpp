#include "host/text/sha256.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <iterator>

namespace cugad {
namespace {

/// The first 32 bits of the fractions of the cube roots of the first 64 primes.
std::array<std::uint32_t, 64> round_constants() {
  std::array<std::uint32_t, 64> constants{};
  int found = 0;
  for (int number = 2; found < 64; ++number) {
    bool is_prime = true;
    for (int divisor = 2; divisor * divisor <= number; ++divisor) is_prime = is_prime && number % divisor != 0;
    if (!is_prime) continue;
    const long double root = std::cbrt(static_cast<long double>(number));
    constants[static_cast<std::size_t>(found++)] =
        static_cast<std::uint32_t>((root - std::floor(root)) * 4294967296.0L);
  }
  return constants;
}

}  // namespace

void Sha256::mix() {
  static const std::array<std::uint32_t, 64> constants = round_constants();
  std::array<std::uint32_t, 64> word{};
  for (std::size_t i = 0; i < 64; ++i) word[i / 4] = word[i / 4] << 8 | block_[i];
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t a = word[i - 15], b = word[i - 2];
    word[i] = word[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + word[i - 7] +
              (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t first =
        h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + word[i];
    const std::uint32_t second =
        (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
  }
  const std::array mixed = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state_[i] += mixed[i];
}

void Sha256::add(std::string_view bytes) {
  for (const char byte : bytes) {
    block_[count_++ % 64] = static_cast<unsigned char>(byte);
    if (count_ % 64 == 0) mix();
  }
}

std::string Sha256::digest() {
  const std::uint64_t bits = count_ * 8;
  add("\x80");
  while (count_ % 64 != 56) add(std::string_view("", 1));
  for (int shift = 56; shift >= 0; shift -= 8) {
    const char byte = static_cast<char>(bits >> shift & 0xff);
    add({&byte, 1});
  }
  std::string text;
  for (const std::uint32_t word : state_) fmt::format_to(std::back_inserter(text), "{:08x}", word);
  return text;
}

}  // namespace cugad
