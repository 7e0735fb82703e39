#include "host/table/number_format.hpp"

#include <algorithm>
#include <array>

namespace cugad {
namespace {

constexpr std::string_view minus_sign = "\xe2\x88\x92", no_break_space = "\xc2\xa0", narrow_space = "\xe2\x80\xaf";
constexpr std::size_t longest_unit = 16;

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_letter(char letter) { return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'); }

/// The blank at the beginning of the text that may separate digits, or nothing.
std::size_t blank_size(std::string_view text) {
  if (text.starts_with(' ')) return 1;
  if (text.starts_with(no_break_space)) return no_break_space.size();
  return text.starts_with(narrow_space) ? narrow_space.size() : 0;
}

/// The parts of a number: sign, currency, digits with separators, exponent, unit.
struct Parts {
  bool negative = false;
  std::string_view prefix, digits, exponent, suffix;
};

/// Currencies; other words before a number make it a name ("node 7").
std::size_t currency_size(std::string_view text) {
  constexpr std::array<std::string_view, 11> currencies = {
      "$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5", "\xe2\x82\xb9", "USD", "EUR", "GBP", "CHF", "JPY", "R$"};
  for (const std::string_view currency : currencies) {
    if (text.starts_with(currency)) return currency.size();
  }
  return 0;
}

bool is_unit(std::string_view suffix) {
  if (suffix.empty()) return true;
  const std::size_t blank = blank_size(suffix);
  const char first = suffix.size() > blank ? suffix[blank] : ' ';
  const bool starts_well = is_letter(first) || first == '%' || static_cast<unsigned char>(first) >= 0x80;
  // A colon, a dash or a second word: a time, a date, a sentence. A digit but the last ("m2"): an id.
  return starts_well && suffix.size() <= longest_unit && is_utf8(suffix) &&
         suffix.find_first_of(" \t:-_.,;#@|\"", blank) == std::string_view::npos &&
         std::none_of(suffix.begin(), suffix.end() - 1, is_digit);
}

bool accept_sign(std::string_view& text, bool& negative) {
  if (text.starts_with(minus_sign)) {
    text.remove_prefix(minus_sign.size());
    return negative = true;
  }
  if (!text.starts_with('-') && !text.starts_with('+')) return false;
  negative = text.front() == '-';
  text.remove_prefix(1);
  return true;
}

std::optional<Parts> take_apart(std::string_view text) {
  Parts parts;
  text = without_blanks(text);
  const bool has_sign = accept_sign(text, parts.negative);
  const char* const prefix = text.data();
  if (const std::size_t size = currency_size(text); size > 0) {
    text.remove_prefix(size);
    text.remove_prefix(blank_size(text));
    parts.prefix = {prefix, static_cast<std::size_t>(text.data() - prefix)};
    if (!has_sign) accept_sign(text, parts.negative);
  }
  std::size_t end = 0;
  while (end < text.size()) {
    const char letter = text[end];
    if (is_digit(letter) || letter == '.' || letter == ',') {
      ++end;
      continue;
    }
    // Separators that occur between digits only: 1 234 and 1'234.
    const std::size_t between = letter == '\'' ? 1 : blank_size(text.substr(end));
    if (between == 0 || end == 0 || end + between >= text.size() || !is_digit(text[end + between])) break;
    end += between;
  }
  parts.digits = text.substr(0, end);
  text.remove_prefix(end);
  if (std::none_of(parts.digits.begin(), parts.digits.end(), is_digit)) return std::nullopt;
  if (text.starts_with('e') || text.starts_with('E')) {
    std::size_t size = text.size() > 1 && (text[1] == '-' || text[1] == '+') ? 2 : 1;
    const std::size_t first = size;
    while (size < text.size() && is_digit(text[size])) ++size;
    if (size > first) {
      parts.exponent = text.substr(0, size);
      text.remove_prefix(size);
    }
  }
  parts.suffix = text;
  if (!is_unit(parts.suffix)) return std::nullopt;
  return parts;
}

/// The digits with '.' as decimal and no groups; false if they do not have this format.
bool plain_digits(std::string_view digits, char decimal, bool grouped, std::string& plain) {
  const std::size_t point = digits.find(decimal);
  const std::string_view whole = digits.substr(0, point);
  std::string_view separator;  // one kind in one number
  std::size_t in_group = 0, groups = 0;
  for (std::size_t at = 0; at < whole.size();) {
    if (is_digit(whole[at])) {
      plain += whole[at++];
      ++in_group;
      continue;
    }
    const std::size_t size =
        whole[at] == '.' || whole[at] == ',' || whole[at] == '\'' ? 1 : blank_size(whole.substr(at));
    const std::string_view here = whole.substr(at, size);
    if (!grouped || (groups > 0 && (here != separator || in_group != 3)) || in_group == 0 || in_group > 3) return false;
    separator = here;
    at += size;
    in_group = 0;
    ++groups;
  }
  if (groups > 0 && in_group != 3) return false;
  if (point == std::string_view::npos) return true;
  const std::string_view rest = digits.substr(point + 1);
  plain += '.';
  plain += rest;
  return std::all_of(rest.begin(), rest.end(), is_digit);
}

bool can_be(std::string_view digits, char decimal) {
  std::string plain;
  return plain_digits(digits, decimal, true, plain);
}

}  // namespace

CellKind parse_number(std::string_view cell, const NumberFormat& format, double& number) {
  if (format == NumberFormat{}) return parse_cell(cell, number);
  double ignored = 0;
  const CellKind as_it_stands = parse_cell(cell, ignored);
  if (as_it_stands == CellKind::missing || as_it_stands == CellKind::infinite) return as_it_stands;
  const auto parts = take_apart(cell);
  if (!parts || parts->prefix != format.prefix || parts->suffix != format.suffix) return CellKind::text;
  std::string plain = parts->negative ? "-" : "";
  if (!plain_digits(parts->digits, format.decimal, format.grouped, plain)) return CellKind::text;
  return parse_cell(plain.append(parts->exponent), number);
}

void NumberStyle::add(std::string_view cell) {
  ++cells_;
  const auto parts = take_apart(cell);
  if (!parts) return;
  if (numbers_ == 0) {
    prefix_ = parts->prefix;
    suffix_ = parts->suffix;
  }
  same_affixes_ = same_affixes_ && prefix_ == parts->prefix && suffix_ == parts->suffix;
  const std::string_view digits = parts->digits;
  const bool with_point = can_be(digits, '.'), with_comma = can_be(digits, ',');
  if (!with_point && !with_comma) return;
  ++numbers_;
  const bool has_point = digits.find('.') != std::string_view::npos,
             has_comma = digits.find(',') != std::string_view::npos;
  const bool has_blank = std::any_of(digits.begin(), digits.end(),
                                     [](char letter) { return !is_digit(letter) && letter != '.' && letter != ','; });
  grouped_ = grouped_ || has_blank || (has_point && has_comma);
  if (!has_point && !has_comma) return;
  if (with_point && with_comma && !digits.starts_with('0')) {  // 1.234 or 1,234: a group or a fraction
    (has_point ? open_points_ : open_commas_) += 1;
    if (open_example_.empty()) open_example_ = digits;
    return;
  }
  // A number that starts with 0 has no groups.
  const bool is_point = with_point && with_comma ? has_point : with_point;
  (is_point ? points_ : commas_) += 1;
  if (is_point ? has_comma : has_point) grouped_ = true;
}

std::optional<char> NumberStyle::decimal() const {
  if (points_ > 0) return '.';
  if (commas_ > 0) return ',';
  return std::nullopt;
}

NumberFormat NumberStyle::format(char decimal) const {
  const bool groups = decimal == ',' ? open_points_ > 0 : open_commas_ > 0;
  return {decimal, grouped_ || groups, prefix_, suffix_};
}

bool looks_like_number(std::string_view cell) {
  NumberStyle style;
  style.add(cell);
  return style.is_number();
}

}  // namespace cugad
