#include "tests/ptx/executor/reader.hpp"

#include <cstring>
#include <set>
#include <stdexcept>

#include "tests/ptx/executor/statement.hpp"

namespace ptx {

void Reader::error(const std::string& what) const {
  std::string statement;
  for (std::size_t n = statement_; n < tokens_.size() && n < statement_ + 40 && !tokens_[n].is(";"); ++n) {
    statement += (statement.empty() ? "" : " ") + std::string(tokens_[n].text);
  }
  throw std::runtime_error("ptx: " + what + ": `" + statement + "`" +
                           (function_ != nullptr ? " in " + *function_ : ""));
}

const Token& Reader::peek(std::size_t ahead) const {
  static const Token end{""};
  return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : end;
}
std::string_view Reader::next() {
  if (at_ >= tokens_.size()) error("unexpected end");
  return tokens_[at_++].text;
}
bool Reader::accept(std::string_view text) {
  if (!peek().is(text)) return false;
  ++at_;
  return true;
}
void Reader::expect(std::string_view text) {
  if (!accept(text)) error("expected '" + std::string(text) + "', found '" + std::string(peek().text) + "'");
}
void Reader::skip_past(std::string_view text) {
  while (next() != text) {
  }
}
std::uint64_t Reader::number() {
  const bool minus = accept("-");
  std::string digits(next());
  int base = 0;
  if (digits.size() > 2 && digits[0] == '0' && std::strchr("fFdDbB", digits[1]) != nullptr) {
    base = digits[1] == 'b' || digits[1] == 'B' ? 2 : 16;
    digits.erase(0, 2);
  } else if (digits.back() == 'U') {
    digits.pop_back();
  }
  const std::uint64_t value = std::stoull(digits, nullptr, base);
  return minus ? 0 - value : value;
}
std::string_view Reader::statement() const {
  const char* begin = tokens_[statement_].text.data();
  const Token& last = tokens_[std::min(at_, tokens_.size() - 1)];
  return {begin, static_cast<std::size_t>(last.text.data() - begin)};
}

Declaration Reader::declaration() {
  static const std::set<std::string_view> ignored = {".ptr",   ".global", ".shared",   ".const",
                                                     ".local", ".param",  ".attribute"};
  Declaration d;
  for (;;) {
    const std::string_view word = next();
    if (word == ".align")
      d.alignment = number();
    else if (ignored.count(word) == 0 && !(word[0] == '.' && parse_type(word.substr(1), d.type))) {
      d.name = std::string(word);
      break;
    }
  }
  while (accept("[")) {
    if (accept("]")) {
      d.unsized = true;
    } else {
      d.elements *= number();
      expect("]");
    }
  }
  if (d.alignment == 0) d.alignment = d.size();
  return d;
}

}  // namespace ptx
