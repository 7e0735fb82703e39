#include "host/cli/mask_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

namespace fs = std::filesystem;

constexpr float white_from = 127.5f;

/// A side of a smaller or larger mask may be rounded.
void check_proportions(const std::string& path, const ImageShape& mask, const std::string& image,
                       const ImageShape& shape) {
  const std::int64_t across = std::int64_t{mask.width} * shape.height, down = std::int64_t{mask.height} * shape.width;
  if (std::abs(across - down) <= std::max(shape.height, shape.width)) return;
  throw Error(ErrorCode::format,
              fmt::format("{}: is a mask of {} x {} pixels, expected the proportions of {}, which has {} x {}",
                          one_line(path), mask.height, mask.width, one_line(image), shape.height, shape.width));
}

std::string stem_of(const std::string& folder, const std::string& file) {
  return (fs::path(folder) / fs::path(file).replace_extension()).string();
}

}  // namespace

std::vector<std::uint8_t> read_mask(const std::string& path, const std::string& image, const ImageShape& shape,
                                    const ImageShape& size) {
  const ImageShape grey{size.height, size.width, 1};
  const Image picture = read_image(path);
  check_proportions(path, picture.shape, image, shape);
  std::vector<float> row(static_cast<std::size_t>(cells_of(grey)));
  image_to_row(picture, grey, row);
  std::vector<std::uint8_t> mask;
  for (const float value : row) mask.push_back(value >= white_from ? 1 : 0);
  return mask;
}

std::vector<std::uint8_t> read_mask(const std::string& path, const std::string& image, const ImageShape& size) {
  return read_mask(path, image, read_image(image).shape, size);
}

std::optional<std::vector<std::uint8_t>> find_mask(const std::string& folder, const std::string& input,
                                                   const std::string& file, const ImageShape& size) {
  for (const char* ending : {".png", "_mask.png"}) {
    const fs::path path = stem_of(folder, file) + ending, image = fs::path(input) / file;
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored) || fs::equivalent(path, image, ignored)) continue;
    return read_mask(path.string(), image.string(), size);
  }
  return std::nullopt;
}

Error no_mask(const std::string& folder, const std::string& file) {
  const std::string stem = one_line(stem_of(folder, file));
  return Error(ErrorCode::format,
               fmt::format("{}: has no mask: expected {}.png or {}_mask.png", one_line(file), stem, stem));
}

}  // namespace cugad::cli
