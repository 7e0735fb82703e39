#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "cugad/error.hpp"
#include "host/image/decode.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr std::uint64_t largest_pixel_count = std::uint64_t{1} << 26;
constexpr std::uintmax_t largest_file = std::uintmax_t{1} << 30;

[[noreturn]] void fail_read(const std::string& file) {
  throw Error(ErrorCode::input_output, fmt::format("{}: cannot be read: {}", file, std::strerror(errno)));
}

}  // namespace

ImageKind image_kind(Bytes start) {
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return ImageKind::png;
  if (text.starts_with("\xff\xd8\xff")) return ImageKind::jpeg;
  return ImageKind::unknown;
}

void check_image_size(std::uint64_t height, std::uint64_t width, const std::string& file, std::uint64_t most) {
  if (height > 0 && width > 0 && height <= most && width <= most / height) return;
  throw Error(ErrorCode::format, fmt::format("{}: its header declares {} x {} pixels, expected 1 to {} in all", file,
                                             height, width, most));
}

Image decode_within(Bytes bytes, const std::string& file, std::uint64_t most) {
  switch (image_kind(bytes)) {
    case ImageKind::png:
      return decode_png(bytes, file, most);
    case ImageKind::jpeg:
      return decode_jpeg(bytes, file, most);
    case ImageKind::unknown:
      break;
  }
  throw Error(ErrorCode::format, bytes.empty() ? fmt::format("{}: is empty, expected a PNG or JPEG image", file)
                                               : fmt::format("{}: is no PNG or JPEG image", file));
}

Image decode_image(std::span<const std::byte> bytes, const std::string& file) {
  return decode_within(bytes, file, largest_pixel_count);
}

Image read_image(const std::string& path) {
  const std::string file = one_line(path, 4096);
  std::error_code failure;
  const std::uintmax_t size = std::filesystem::file_size(path, failure);
  if (failure) {
    throw Error(ErrorCode::input_output, fmt::format("{}: cannot be read: {}", file, failure.message()));
  }
  if (size > largest_file) {
    throw Error(ErrorCode::format,
                fmt::format("{}: has {} bytes, expected an image of at most {}", file, size, largest_file));
  }
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail_read(file);
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (stream.bad()) fail_read(file);
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return decode_image(bytes, file);
}

}  // namespace cugad
