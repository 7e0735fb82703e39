#include "host/cli/reproduce/markdown_file.hpp"

#include <filesystem>

#include "host/cli/output.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {

void write_markdown(const std::string& path, const std::string& name, const std::string& text) {
  const std::string page = std::filesystem::exists(path) ? file_text(path) : "";
  const std::string begin_line = "<!-- begin " + name + " -->\n", end_line = "<!-- end " + name + " -->\n";
  const std::size_t begin = page.find(begin_line), end = page.find(end_line);
  const bool is_section = begin != std::string::npos && end != std::string::npos && begin < end;
  write_result(path, [&](const Append& append) {
    if (is_section) append(page.substr(0, begin + begin_line.size()) + '\n');
    append(text);
    if (is_section) append('\n' + page.substr(end));
  });
}

}  // namespace cugad::cli
