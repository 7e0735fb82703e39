#pragma once

#include <string>

/// Generated Markdown: a file of its own, or a section of a page.
namespace cugad::cli {

/// Writes `text` to `path`, whole or not at all. Where the file has the lines `<!-- begin NAME -->` and
/// `<!-- end NAME -->`, only the text between them is replaced.
void write_markdown(const std::string& path, const std::string& name, const std::string& text);

}  // namespace cugad::cli
