#pragma once

#include <cstdint>
#include <string>

#include "tests/ptx/executor/lexer.hpp"
#include "tests/ptx/executor/module.hpp"

/// The words of a PTX text in their order, and the phrases that statements of a module and of a function share.
namespace ptx {

/// `.align 16 .b8 name[4][8]`
struct Declaration {
  std::string name;
  Type type;
  std::size_t elements = 1, alignment = 0;
  bool unsized = false;
  std::size_t size() const { return static_cast<std::size_t>(type.bits / 8); }
  std::size_t bytes() const { return elements * size(); }
};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline std::size_t align(std::size_t at, std::size_t to) { return (at + to - 1) / to * to; }

class Reader {
 public:
  explicit Reader(std::string_view text) : tokens_(tokenize(text)) {}

  bool at_end() const { return at_ >= tokens_.size(); }
  std::size_t at() const { return at_; }
  void go_to(std::size_t token) { at_ = token; }
  /// What error() shows, and statement() starts with.
  void begin_statement() { statement_ = at_; }
  std::string_view statement() const;
  /// What error() names, or null.
  void name_function(const std::string* name) { function_ = name; }
  [[noreturn]] void error(const std::string& what) const;

  const Token& peek(std::size_t ahead = 0) const;
  std::string_view next();
  bool accept(std::string_view text);
  void expect(std::string_view text);
  void skip_past(std::string_view text);
  bool at_number() const { return peek().is("-") || (!peek().text.empty() && is_digit(peek().text[0])); }
  /// The bits of an integer, of 0f... or of 0d...
  std::uint64_t number();
  Declaration declaration();

 private:
  const std::vector<Token> tokens_;
  const std::string* function_ = nullptr;
  std::size_t at_ = 0, statement_ = 0;
};

}  // namespace ptx
