#include "host/report/shown_text.hpp"

#include <fmt/format.h>

#include <iterator>

#include "host/text/cell.hpp"

namespace cugad {
namespace {

char32_t decoded(std::string_view one) {
  const auto lead = static_cast<unsigned char>(one.front());
  if (one.size() == 1) return lead;
  char32_t point = lead & (0xffu >> (one.size() + 1));
  for (const char next : one.substr(1)) point = point << 6 | (static_cast<unsigned char>(next) & 0x3fu);
  return point;
}

/// Control characters, marks of direction, separators of lines, and what takes no room.
bool is_unseen(char32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad || point == 0x61c ||
         (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2060 && point <= 0x206f) || point == 0xfeff || (point >= 0xfff9 && point <= 0xfffb) ||
         (point >= 0xe0000 && point <= 0xe007f);
}

}  // namespace

std::string shown_text(std::string_view text, std::size_t longest) {
  std::string shown;
  for (std::size_t count = 0; !text.empty(); ++count) {
    if (count == longest) return shown + "\u2026";
    const std::size_t length = first_character(text);
    if (length == 0) {
      fmt::format_to(std::back_inserter(shown), "\\x{:02x}", static_cast<unsigned char>(text.front()));
    } else if (const char32_t point = decoded(text.substr(0, length)); is_unseen(point)) {
      fmt::format_to(std::back_inserter(shown), "\\u{:04x}", static_cast<std::uint32_t>(point));
    } else {
      shown += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return shown;
}

std::string html_text(std::string_view text) {
  std::string escaped;
  for (const char letter : shown_text(text)) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

}  // namespace cugad
