#include "tests/common/temporary_directory.hpp"
#include "tests/fuzz/targets.hpp"

namespace cugad::fuzz {

std::string file_with(std::string_view name, std::string_view input) {
  static const test::TemporaryDirectory directory;
  const std::string path = directory.file(name);
  test::write_text(path, input);
  return path;
}

}  // namespace cugad::fuzz
