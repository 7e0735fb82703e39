#include "host/cli/config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/text.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto integer = node.value_exact<std::int64_t>()) return fmt::format("{}", *integer);
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  if (const auto boolean = node.value_exact<bool>()) return *boolean ? "true" : "false";
  return std::nullopt;
}

std::optional<std::string> value_text(const toml::node& node) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return scalar_text(node);
  std::vector<std::string> parts;
  for (const toml::node& element : *list) {
    const auto part = scalar_text(element);
    if (!part) return std::nullopt;
    parts.push_back(*part);
  }
  return join_list(parts);
}

std::string file_contents(const std::string& path) {
  // C streams, because they report why a read failed (opening a folder succeeds).
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  std::string contents;
  char buffer[4096];
  constexpr std::size_t longest = std::size_t{16} << 20;
  while (file != nullptr && std::feof(file.get()) == 0 && std::ferror(file.get()) == 0) {
    contents.append(buffer, std::fread(buffer, 1, sizeof buffer, file.get()));
    if (contents.size() > longest) {
      throw Error(ErrorCode::format, fmt::format("{}: longer than {} MiB, expected settings", path, longest >> 20));
    }
  }
  if (file == nullptr || std::ferror(file.get()) != 0) {
    throw Error(ErrorCode::input_output, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  return contents;
}

/// The text after a TOML string that begins with a quote at `at`. A multi-line one may end in up to five quotes.
std::size_t end_of_text(std::string_view contents, std::size_t at) {
  const char quote = contents[at];
  const std::string fence(3, quote);
  const bool is_long = contents.substr(at, 3) == fence;
  for (at += is_long ? 3 : 1; at < contents.size(); ++at) {
    if (contents[at] == '\\' && quote == '"') {
      ++at;
    } else if (!is_long && (contents[at] == quote || contents[at] == '\n')) {
      return at + 1;
    } else if (is_long && contents.substr(at, 3) == fence) {
      return std::min({contents.find_first_not_of(quote, at), at + 5, contents.size()});
    }
  }
  return contents.size();
}

/// Keys are flat, and the parser calls itself for every part of a dotted one: refuses more dots in one key or number
/// than any needs, before they can exhaust the stack.
void refuse_dotted_keys(std::string_view contents, const std::string& path) {
  constexpr int most = 16;
  int dots = 0;
  std::int64_t line = 1;
  for (std::size_t at = 0; at < contents.size();) {
    const char letter = contents[at];
    const std::size_t begin = at;
    if (letter == '#') {
      at = std::min(contents.find('\n', at), contents.size());
    } else {
      at = letter == '"' || letter == '\'' ? end_of_text(contents, at) : at + 1;
    }
    line += std::count(contents.begin() + begin, contents.begin() + at, '\n');
    if (letter == '.' && ++dots > most) {
      throw UsageError(fmt::format("{}:{}: a key of many dotted parts, expected flat keys", path, line));
    }
    if (std::string_view("\n=,[]{}").find(letter) != std::string_view::npos) dots = 0;
  }
}

}  // namespace

std::vector<ConfigEntry> read_config(const std::string& path) {
  toml::table table;
  const std::string contents = file_contents(path);
  refuse_dotted_keys(contents, path);
  try {
    table = toml::parse(contents, path);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: {}", path, error.source().begin.line, one_line(error.description())));
  }
  std::vector<ConfigEntry> entries;
  for (const auto& [key, node] : table) {
    const std::string where = fmt::format("{}:{}", path, node.source().begin.line);
    const auto text = value_text(node);
    if (!text) {
      throw UsageError(fmt::format("{}: {} must be a text, a number, a boolean or a list of them (keys are flat)",
                                   where, std::string_view(key.str())));
    }
    entries.push_back({with_underscores(std::string(key.str())), *text, where});
  }
  return entries;
}

}  // namespace cugad::cli
