#include "tests/ptx/executor/lexer.hpp"

#include <algorithm>
#include <cctype>

namespace ptx {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '%' || c == '.';
}
bool is_line(std::string_view text) {
  for (const std::string_view word : {".loc", ".file", ".version", ".target", ".address_size"}) {
    if (text.starts_with(word) && text.size() > word.size() &&
        std::isspace(static_cast<unsigned char>(text[word.size()])))
      return true;
  }
  return false;
}

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  std::vector<Token> tokens;
  const auto find = [&](std::string_view what, std::size_t from) {
    return std::min(source.find(what, from), source.size());
  };
  for (std::size_t at = 0; at < source.size();) {
    const std::string_view rest = source.substr(at);
    std::size_t end = at + 1;
    if (std::isspace(static_cast<unsigned char>(rest[0])) != 0) {
      ++at;
      continue;
    }
    if (rest.starts_with("//")) {
      at = find("\n", at);
      continue;
    }
    if (rest.starts_with("/*")) {
      at = find("*/", at) + 2;
      continue;
    }
    if (is_line(rest)) {
      end = find("\n", at);
    } else if (rest[0] == '"') {
      end = find("\"", at + 1) + 1;
    } else if (is_word(rest[0])) {
      while (end < source.size() && (is_word(source[end]) || (source.substr(end, 2) == "::" && ++end))) ++end;
    }
    tokens.push_back({source.substr(at, end - at)});
    at = end;
  }
  return tokens;
}

}  // namespace ptx
