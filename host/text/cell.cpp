#include "host/text/cell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>

namespace cugad {
namespace {

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

bool is_infinity(std::string_view unsigned_text) {
  std::string lower(unsigned_text.substr(0, 9));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter; });
  return lower == "inf" || lower == "infinity";
}

/// A number's digits without a sign. A number outside the range of double becomes infinity or 0 by the place of its
/// first digit, as in C. False if some letter is not part of the number.
bool parse_digits(std::string_view text, double& number) {
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  if (last != end || error == std::errc::invalid_argument) return false;
  if (error != std::errc::result_out_of_range) return true;
  const std::size_t mark = std::min(text.find_first_of("eE"), text.size());
  const std::size_t point = std::min(text.find('.'), mark), first = text.find_first_of("123456789");
  const std::string_view power = text.substr(std::min(mark + 1, text.size()));
  std::int64_t exponent = 0;
  const std::size_t plus = power.starts_with('+') ? 1 : 0;
  const auto parsed = std::from_chars(power.data() + plus, power.data() + power.size(), exponent);
  const bool is_large = parsed.ec == std::errc::result_out_of_range
                            ? !power.starts_with('-')
                            : exponent > static_cast<std::int64_t>(first) - static_cast<std::int64_t>(point);
  number = is_large ? std::numeric_limits<double>::infinity() : 0.0;
  return true;
}

/// Most cells of most tables are short: integers, and decimals without an exponent. Both the digits, at most 15, and
/// the power of ten are exact in a double, so that their quotient is the nearest number to the text.
bool parse_short_number(std::string_view text, double& number) {
  constexpr std::size_t most_digits = 15;
  constexpr double powers[most_digits + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                              1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool is_negative = text.front() == '-';
  if (is_negative) text.remove_prefix(1);
  if (text.size() > most_digits + 1) return false;
  std::int64_t value = 0;
  std::size_t digits = 0, whole = 0;
  bool has_point = false;
  for (const char letter : text) {
    if (is_digit(letter)) {
      value = value * 10 + (letter - '0');
      ++digits;
    } else if (letter == '.' && !has_point) {
      has_point = true;
      whole = digits;
    } else {
      return false;
    }
  }
  if (digits == 0 || digits > most_digits) return false;
  number = static_cast<double>(value);
  if (has_point) number /= powers[digits - whole];
  if (is_negative) number = -number;
  return true;
}

}  // namespace

/// The words that pandas reads as missing, "?" of older data sets, and those of MySQL and spreadsheets. (C prints some
/// NaN as "-nan".)
bool is_missing(std::string_view text) {
  text = without_blanks(text);
  if (text.empty()) return true;
  constexpr std::string_view beginnings = "Nn?<#-\\";
  constexpr std::size_t longest = 7;
  if (text.size() > longest || beginnings.find(text.front()) == std::string_view::npos) return false;
  constexpr std::string_view words[] = {"NA",  "N/A", "n/a",     "n.a.",  "N.A.",    "#N/A",  "<NA>",   "#NA",
                                        "NaN", "nan", "-nan",    "-NaN",  "NaT",     "null",  "NULL",   "None",
                                        "?",   "\\N", "#DIV/0!", "#NUM!", "#VALUE!", "#REF!", "#NAME?", "#NULL!"};
  return std::find(std::begin(words), std::end(words), text) != std::end(words);
}

CellKind parse_cell(std::string_view text, double& number) {
  text = without_blanks(text);
  if (text.empty()) return CellKind::missing;
  if (parse_short_number(text, number)) return CellKind::number;

  constexpr std::string_view minus_sign = "\xe2\x88\x92";  // U+2212
  const bool is_negative = text.front() == '-' || text.starts_with(minus_sign);
  const std::size_t sign = text.front() == '-' || text.front() == '+' ? 1 : is_negative ? minus_sign.size() : 0;
  const std::string_view unsigned_text = text.substr(sign);
  if (!unsigned_text.empty() && (is_digit(unsigned_text.front()) || unsigned_text.front() == '.')) {
    if (!parse_digits(unsigned_text, number)) return CellKind::text;
    if (is_negative) number = -number;
    return std::isfinite(number) ? CellKind::number : CellKind::infinite;
  }
  if (is_missing(text)) return CellKind::missing;
  return is_infinity(unsigned_text) ? CellKind::infinite : CellKind::text;
}

bool is_dash(std::string_view text) {
  text = without_blanks(text);
  return text == "-" || text == "--" || text == "\xe2\x80\x93" || text == "\xe2\x80\x94";
}

std::string number_text(double number) {
  if (std::isnan(number)) return {};
  if (number == 0) return "0";  // also for -0
  constexpr double largest_plain = 1e15;
  if (std::abs(number) < largest_plain && number == std::trunc(number)) {
    return std::to_string(static_cast<std::int64_t>(number));
  }
  char buffer[40];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, number);
  return std::string(buffer, result.ptr);
}

std::size_t first_character(std::string_view text) {
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80         ? 1
                             : first >> 5 == 0x6  ? 2
                             : first >> 4 == 0xe  ? 3
                             : first >> 3 == 0x1e ? 4
                                                  : 0;
  if (length == 0 || length > text.size()) return 0;
  std::uint32_t point = length == 1 ? first : first & (0x7fu >> length);
  for (std::size_t k = 1; k < length; ++k) {
    const auto next = static_cast<unsigned char>(text[k]);
    if (next >> 6 != 2) return 0;
    point = point << 6 | (next & 0x3fu);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  return point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? 0 : length;
}

bool is_utf8(std::string_view text) {
  while (const std::size_t length = first_character(text)) text.remove_prefix(length);
  return text.empty();
}

std::string escaped(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = first_character(text);
    const auto byte = static_cast<unsigned char>(text.front());
    // U+0080 to U+009F: a terminal takes them for the escape sequences that they abbreviate.
    const bool is_control =
        byte < 0x20 || byte == 0x7f || (length == 2 && byte == 0xc2 && (static_cast<unsigned char>(text[1]) >> 5) == 4);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length > 0 && !is_control) {
      shown += character;
    } else {
      for (const char one : character) {
        fmt::format_to(std::back_inserter(shown), "\\x{:02x}", static_cast<unsigned char>(one));
      }
    }
    text.remove_prefix(character.size());
  }
  return shown;
}

std::string one_line(std::string_view text, std::size_t longest) {
  if (text.size() <= longest) return escaped(text);
  const auto is_inside = [&] { return longest > 0 && (static_cast<unsigned char>(text[longest]) >> 6) == 2; };
  while (is_inside()) --longest;
  return escaped(text.substr(0, longest)) + "...";
}

}  // namespace cugad
