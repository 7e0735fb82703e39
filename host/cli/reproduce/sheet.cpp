#include "host/cli/reproduce/sheet.hpp"

#include "host/cli/output.hpp"

namespace cugad::cli {
namespace {

/// The lines of the head as one, "kNN" over "AUROC" becoming "kNN AUROC".
std::vector<std::string> joined_head(const Sheet& sheet) {
  std::vector<std::string> joined;
  for (const std::vector<std::string>& line : sheet.head) {
    const bool last = &line == &sheet.head.back();
    std::string left;
    for (std::size_t column = 0; column < line.size(); ++column) {
      if (column == joined.size()) joined.emplace_back();
      const bool spans = line[column].empty() && !last;
      if (!spans) left = line[column];
      if (left.empty() || (last && line[column].empty())) continue;
      joined[column] += (joined[column].empty() ? "" : " ") + left;
    }
  }
  return joined;
}

std::string markdown_line(const std::vector<std::string>& cells, std::size_t columns) {
  std::string line = "|";
  for (std::size_t column = 0; column < columns; ++column) {
    for (const char character : column < cells.size() ? cells[column] : std::string()) {
      if (character == '|' || character == '*') line += '\\';
      line += character;
    }
    line += '|';
  }
  return line + '\n';
}

}  // namespace

std::string as_text(const Sheet& sheet) {
  std::vector<std::vector<std::string>> lines = sheet.head;
  lines.emplace_back();
  lines.insert(lines.end(), sheet.rows.begin(), sheet.rows.end());
  return aligned_table(lines);
}

std::string as_markdown(const Sheet& sheet) {
  const std::vector<std::string> head = joined_head(sheet);
  std::string text = markdown_line(head, head.size()) + "|---|";
  for (std::size_t column = 1; column < head.size(); ++column) text += "--:|";
  text += '\n';
  for (const std::vector<std::string>& row : sheet.rows) {
    if (!row.empty()) text += markdown_line(row, head.size());
  }
  return text;
}

}  // namespace cugad::cli
