#pragma once

#include <string>
#include <vector>

/// A table of texts that can be shown in more than one way.
namespace cugad::cli {

struct Sheet {
  /// Lines of the head. A blank cell in one of several lines belongs to the cell left of it.
  std::vector<std::vector<std::string>> head;
  std::vector<std::vector<std::string>> rows;  ///< an empty row is a rule
};

/// For a terminal: the first column to the left, the others to the right.
std::string as_text(const Sheet& sheet);
/// A Markdown table; it has no rules.
std::string as_markdown(const Sheet& sheet);

}  // namespace cugad::cli
