#include "host/text/list_text.hpp"

#include <algorithm>

#include "host/text/cell.hpp"

namespace cugad {
namespace {

/// The size of the quoted part at the beginning of the text, up to the comma after it; 0 if there is none.
std::size_t quoted_size(std::string_view text, std::string& part) {
  if (!text.starts_with('"')) return 0;
  std::string inside;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] != '"') {
      inside += text[at];
    } else if (at + 1 < text.size() && text[at + 1] == '"') {
      inside += text[at++];
    } else {
      const std::size_t end = std::min(text.find(',', at), text.size());
      if (!without_blanks(text.substr(at + 1, end - at - 1)).empty()) return 0;
      part = inside;
      return end;
    }
  }
  return 0;
}

}  // namespace

std::string csv_cell(std::string_view text, char separator) {
  const bool blank_end = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  const bool is_divided =
      text.find(separator) != std::string_view::npos || (separator == ' ' && text.find('\t') != std::string_view::npos);
  if (!blank_end && !is_divided && text.find_first_of("\"\r\n") == std::string_view::npos) return std::string(text);
  std::string cell = "\"";
  for (const char character : text) {
    if (character == '"') cell += '"';
    cell += character;
  }
  return cell + '"';
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  if (without_blanks(text).empty()) return parts;
  for (;;) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    std::string part;
    std::size_t size = quoted_size(text, part);
    if (size == 0) {
      size = std::min(text.find(','), text.size());
      part = without_blanks(text.substr(0, size));
    }
    parts.push_back(std::move(part));
    if (size == text.size()) return parts;
    text.remove_prefix(size + 1);
  }
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
  }
  return parts;
}

std::string join_list(std::span<const std::string> parts) {
  std::string text;
  for (std::size_t p = 0; p < parts.size(); ++p) text += (p == 0 ? "" : ",") + csv_cell(parts[p]);
  return text;
}

}  // namespace cugad
