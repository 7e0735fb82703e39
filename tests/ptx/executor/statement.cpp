#include "tests/ptx/executor/statement.hpp"

#include <charconv>

namespace ptx {

bool parse_type(std::string_view text, Type& type) {
  if (text == "pred") return type = {'p', 1}, true;
  if (text == "bf16x2" || text == "f16x2" || text == "tf32") return type = {'b', 32}, true;
  if (text == "bf16") return type = {'b', 16}, true;
  if (text.size() < 2 || std::string_view("busf").find(text[0]) == std::string_view::npos) return false;
  int bits = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  type = {text[0], bits};
  return true;
}

Opcode parse_opcode(std::string_view text) {
  Opcode opcode;
  opcode.text = std::string(text);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t dot = std::min(text.find('.', at), text.size());
    const std::string_view word = text.substr(at, dot - at);
    Type type;
    if (at == 0)
      opcode.base = std::string(word);
    else
      opcode.modifiers.emplace_back(word);
    if (at > 0 && parse_type(word, type)) opcode.types.push_back(type);
    at = dot + 1;
  }
  return opcode;
}

}  // namespace ptx
