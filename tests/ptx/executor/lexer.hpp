#pragma once

#include <string_view>
#include <vector>

/// PTX text as words.
namespace ptx {

struct Token {
  std::string_view text;
  bool is(std::string_view other) const { return text == other; }
  bool starts(std::string_view other) const { return text.starts_with(other); }
};

/// Names (with their dots), numbers, punctuation; a directive of its own line (.loc, .file, .version, ...) is one
/// token.
std::vector<Token> tokenize(std::string_view source);

}  // namespace ptx
