#include "host/table/array_elements.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace cugad {
namespace {

template <class T, bool swapped>
double load(const unsigned char* bytes) {
  unsigned char ordered[sizeof(T)];
  std::memcpy(ordered, bytes, sizeof(T));
  if constexpr (swapped) std::reverse(ordered, ordered + sizeof(T));
  T value;
  std::memcpy(&value, ordered, sizeof(T));
  return static_cast<double>(value);
}

/// An IEEE half: 1 sign, 5 exponent and 10 fraction bits.
template <bool swapped>
double load_half(const unsigned char* bytes) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes, sizeof bits);
  if constexpr (swapped) bits = static_cast<std::uint16_t>(bits << 8 | bits >> 8);
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double fraction = bits & 1023;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double size = exponent == 31  ? (fraction == 0 ? infinity : std::numeric_limits<double>::quiet_NaN())
                      : exponent == 0 ? std::ldexp(fraction, -24)
                                      : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -size : size;
}

double load_boolean(const unsigned char* bytes) { return *bytes != 0 ? 1 : 0; }

template <bool swapped>
NumberLoader choose(ElementKind kind, std::int64_t size) {
  switch (kind) {
    case ElementKind::boolean:
      return size == 1 ? load_boolean : nullptr;
    case ElementKind::signed_integer:
      return size == 1   ? load<std::int8_t, swapped>
             : size == 2 ? load<std::int16_t, swapped>
             : size == 4 ? load<std::int32_t, swapped>
             : size == 8 ? load<std::int64_t, swapped>
                         : nullptr;
    case ElementKind::unsigned_integer:
      return size == 1   ? load<std::uint8_t, swapped>
             : size == 2 ? load<std::uint16_t, swapped>
             : size == 4 ? load<std::uint32_t, swapped>
             : size == 8 ? load<std::uint64_t, swapped>
                         : nullptr;
    case ElementKind::floating:
      return size == 2   ? load_half<swapped>
             : size == 4 ? load<float, swapped>
             : size == 8 ? load<double, swapped>
                         : nullptr;
    case ElementKind::byte_text:
    case ElementKind::unicode_text:
      break;
  }
  return nullptr;
}

void append_utf8(std::string& text, std::uint32_t point) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xc0 | point >> 6);
    tail(0);
  } else if (point < 0x10000) {
    text += static_cast<char>(0xe0 | point >> 12);
    tail(6), tail(0);
  } else {
    text += static_cast<char>(0xf0 | (point >> 18 & 0x07));
    tail(12), tail(6), tail(0);
  }
}

}  // namespace

NumberLoader number_loader(const ArrayLayout& layout) {
  const bool swapped = layout.big_endian != (std::endian::native == std::endian::big);
  return swapped ? choose<true>(layout.kind, layout.element_size) : choose<false>(layout.kind, layout.element_size);
}

std::string load_text(const ArrayLayout& layout, const unsigned char* bytes) {
  std::string text;
  if (layout.kind == ElementKind::byte_text) {
    text.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(layout.element_size));
  } else {
    for (std::int64_t i = 0; i + 4 <= layout.element_size; i += 4) {
      std::uint32_t point = 0;
      for (int k = 0; k < 4; ++k) point = point << 8 | bytes[i + (layout.big_endian ? k : 3 - k)];
      append_utf8(text, point);
    }
  }
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

}  // namespace cugad
