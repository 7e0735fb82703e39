#include <fmt/format.h>
#include <png.h>

#include "cugad/error.hpp"
#include "host/image/decode.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

/// An image of libpng's simplified interface, which reports errors without jumps.
struct PngImage {
  png_image header = {};
  PngImage() { header.version = PNG_IMAGE_VERSION; }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
  ~PngImage() { png_image_free(&header); }
};

/// Returns the contents of the chunk eXIf in front of the pixels, which libpng's interface does not give; empty if
/// there is none. Throws Error{format} for a chunk that declares more bytes than follow: libpng allocates what it
/// declares.
Bytes checked_chunks(Bytes bytes, const std::string& file) {
  constexpr std::size_t signature = 8, length_and_name = 8, checksum = 4;
  Bytes exif;
  bool has_pixels = false;
  for (std::size_t at = signature; bytes.size() - at >= length_and_name;) {
    const auto* chunk = reinterpret_cast<const unsigned char*>(bytes.data() + at);
    const std::size_t length = png_get_uint_32(chunk), remaining = bytes.size() - at - length_and_name;
    const std::string_view name(reinterpret_cast<const char*>(chunk) + 4, 4);
    if (length > remaining || remaining - length < checksum) {
      throw Error(ErrorCode::format, fmt::format("{}: damaged PNG: its chunk {} declares {} bytes, but {} follow", file,
                                                 one_line(name), length, remaining));
    }
    if (name == "IEND") break;
    if (name == "IDAT") has_pixels = true;
    if (name == "eXIf" && !has_pixels) exif = bytes.subspan(at + length_and_name, length);
    at += length_and_name + length + checksum;
  }
  return exif;
}

std::uint8_t on_white(unsigned value, unsigned alpha) {
  return static_cast<std::uint8_t>((value * alpha + 255u * (255u - alpha) + 127u) / 255u);
}

/// Shows pixels whose last channel is their opacity on white, and drops that channel.
std::vector<std::uint8_t> without_alpha(const std::vector<std::uint8_t>& from, std::size_t channels) {
  std::vector<std::uint8_t> to;
  to.reserve(from.size() / (channels + 1) * channels);
  for (std::size_t pixel = 0; pixel < from.size(); pixel += channels + 1) {
    for (std::size_t c = 0; c < channels; ++c) to.push_back(on_white(from[pixel + c], from[pixel + channels]));
  }
  return to;
}

}  // namespace

Image decode_png(Bytes bytes, const std::string& file, std::uint64_t most) {
  const Bytes exif = checked_chunks(bytes, file);
  PngImage png;
  const auto fail = [&] {
    throw Error(ErrorCode::format, fmt::format("{}: damaged PNG: {}", file, one_line(png.header.message)));
  };
  if (png_image_begin_read_from_memory(&png.header, bytes.data(), bytes.size()) == 0) fail();
  check_image_size(png.header.height, png.header.width, file, most);
  const bool is_colored = (png.header.format & PNG_FORMAT_FLAG_COLOR) != 0;
  const bool has_alpha = (png.header.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  png.header.format = (is_colored ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY) | (has_alpha ? PNG_FORMAT_FLAG_ALPHA : 0);
  png.header.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // as browsers do: libpng would take values of 16 bits as linear
  Image image;
  image.shape = {static_cast<std::int32_t>(png.header.height), static_cast<std::int32_t>(png.header.width),
                 is_colored ? 3 : 1};
  image.values.resize(PNG_IMAGE_SIZE(png.header));
  if (png_image_finish_read(&png.header, nullptr, image.values.data(), 0, nullptr) == 0) fail();
  if (has_alpha) image.values = without_alpha(image.values, static_cast<std::size_t>(image.shape.channels));
  make_upright(image, exif_orientation(exif));
  return image;
}

std::vector<std::byte> encode_png(const Image& image) {
  const bool is_colored = image.shape.channels == 3;
  if ((!is_colored && image.shape.channels != 1) || image.shape.height < 1 || image.shape.width < 1 ||
      static_cast<std::int64_t>(image.values.size()) != cells_of(image.shape)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("an image of shape {} and {} values, expected 1 or 3 channels and a value for each",
                            image_shape_text(image.shape), image.values.size()));
  }
  PngImage png;
  png.header.height = static_cast<png_uint_32>(image.shape.height);
  png.header.width = static_cast<png_uint_32>(image.shape.width);
  png.header.format = is_colored ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  std::vector<std::byte> bytes(PNG_IMAGE_PNG_SIZE_MAX(png.header));
  png_alloc_size_t size = bytes.size();
  if (png_image_write_to_memory(&png.header, bytes.data(), &size, 0, image.values.data(), 0, nullptr) == 0) {
    throw Error(ErrorCode::out_of_memory, fmt::format("the PNG was not written: {}", one_line(png.header.message)));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace cugad
