#include "host/cli/image_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

namespace fs = std::filesystem;

bool lies_in(const fs::path& inner, const fs::path& outer) {
  const fs::path relative = fs::weakly_canonical(inner).lexically_relative(fs::weakly_canonical(outer));
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

std::string without_ending(const std::string& file) { return fs::path(file).replace_extension().generic_string(); }

void check_results_of_images(const std::string& flag, const std::string& folder, const std::string& input,
                             const ImageReader& images) {
  if (lies_in(folder, input)) {
    throw UsageError(
        fmt::format("--{} {}: lies in the folder of the images, which the results would join", flag, folder));
  }
  std::map<std::string, std::string> names;
  for (const std::string& file : images.files()) {
    const auto [other, is_new] = names.emplace(without_ending(file), file);
    if (is_new) continue;
    throw UsageError(fmt::format("--{}: {} and {} would have the same result; choose by --files", flag,
                                 one_line(other->second), one_line(file)));
  }
}

std::string path_of_result(const std::string& folder, const std::string& name) {
  const fs::path path = fs::path(folder) / name;
  std::error_code failure;
  fs::create_directories(path.parent_path(), failure);
  if (failure) {
    throw Error(ErrorCode::input_output,
                fmt::format("{}: cannot be made: {}", path.parent_path().string(), failure.message()));
  }
  return path.string();
}

void write_png(const std::string& path, const Image& image) {
  const std::vector<std::byte> png = encode_png(image);
  write_result(path, [&](const Append& append) { append({reinterpret_cast<const char*>(png.data()), png.size()}); });
}

float white_of(std::span<const float> values) {
  return std::any_of(values.begin(), values.end(), [](float value) { return value > 1.0f; }) ? 255.0f : 1.0f;
}

}  // namespace cugad::cli
