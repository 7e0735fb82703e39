#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>

// These need <cstdio> in front of them.
#include <jerror.h>
#include <jpeglib.h>

#include "cugad/error.hpp"
#include "host/image/decode.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

/// A hostile file can hold thousands of scans, each a pass over all pixels; encoders write about ten.
constexpr int most_scans = 500;
constexpr std::string_view exif_name("Exif\0\0", 6);

/// libjpeg's state. Its errors jump back to attempt().
struct Decoder {
  jpeg_decompress_struct info = {};
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf jump = {};
  char message[JMSG_LENGTH_MAX] = {};

  Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&info); }
};

Decoder& decoder_of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

[[noreturn]] void leave(j_common_ptr info) {
  Decoder& decoder = decoder_of(info);
  info->err->format_message(info, decoder.message);
  std::longjmp(decoder.jump, 1);
}

/// Ends at warnings as well: libjpeg would go on with grey pixels in place of those that are damaged or missing.
void judge(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  const bool is_harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM;
  if (level < 0 && !is_harmless) leave(info);
}

void count_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= most_scans) return;
  Decoder& decoder = decoder_of(info);
  std::snprintf(decoder.message, sizeof decoder.message, "more than %d scans", most_scans);
  std::longjmp(decoder.jump, 1);
}

Decoder::Decoder() {
  info.err = jpeg_std_error(&errors);
  info.client_data = this;  // errors of the creation need it, too
  errors.error_exit = leave;
  errors.emit_message = judge;
  progress.progress_monitor = count_scans;
}

/// Runs a step of the decoding, which must own nothing, since an error jumps out of it. False after an error.
template <class Step>
bool attempt(Decoder& decoder, const Step& step) {
  if (setjmp(decoder.jump) != 0) return false;
  step(decoder.info);
  return true;
}

/// Inks as Adobe's programs write them, 255 for none, or the other way round, to red, green and blue.
std::vector<std::uint8_t> without_inks(const std::vector<std::uint8_t>& inks, bool is_inverted) {
  std::vector<std::uint8_t> colors;
  colors.reserve(inks.size() / 4 * 3);
  const auto light = [&](std::uint8_t ink) { return is_inverted ? unsigned{ink} : 255u - ink; };
  for (std::size_t pixel = 0; pixel < inks.size(); pixel += 4) {
    const unsigned black = light(inks[pixel + 3]);
    for (std::size_t c = 0; c < 3; ++c) {
      colors.push_back(static_cast<std::uint8_t>((light(inks[pixel + c]) * black + 127u) / 255u));
    }
  }
  return colors;
}

int orientation_of(const jpeg_decompress_struct& info) {
  for (auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const Bytes data(reinterpret_cast<const std::byte*>(marker->data), marker->data_length);
    const std::string_view text(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker == JPEG_APP0 + 1 && text.starts_with(exif_name)) {
      return exif_orientation(data.subspan(exif_name.size()));
    }
  }
  return 1;
}

}  // namespace

Image decode_jpeg(Bytes bytes, const std::string& file, std::uint64_t most) {
  Decoder decoder;
  jpeg_decompress_struct& info = decoder.info;
  const auto require = [&](bool is_fine) {
    if (!is_fine) throw Error(ErrorCode::format, fmt::format("{}: damaged JPEG: {}", file, one_line(decoder.message)));
  };
  require(attempt(decoder, [&](jpeg_decompress_struct& of) {
    jpeg_create_decompress(&of);
    of.progress = &decoder.progress;
    jpeg_mem_src(&of, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_save_markers(&of, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&of, TRUE);
  }));
  check_image_size(info.image_height, info.image_width, file, most);
  const bool has_inks = info.num_components == 4;
  if (info.num_components != 1 && info.num_components != 3 && !has_inks) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: is a JPEG of {} components, expected 1 (grey), 3 (color) or 4 (inks)", file,
                            info.num_components));
  }
  info.out_color_space = has_inks ? JCS_CMYK : info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  Image image;
  image.shape = {static_cast<std::int32_t>(info.image_height), static_cast<std::int32_t>(info.image_width),
                 info.num_components};
  image.values.resize(static_cast<std::size_t>(cells_of(image.shape)));
  const int orientation = orientation_of(info);  // finishing gives the markers up
  std::uint8_t* const values = image.values.data();
  const std::size_t line = image.values.size() / info.image_height;
  require(attempt(decoder, [&](jpeg_decompress_struct& of) {
    jpeg_start_decompress(&of);
    while (of.output_scanline < of.output_height) {
      JSAMPROW row = values + of.output_scanline * line;
      jpeg_read_scanlines(&of, &row, 1);
    }
    jpeg_finish_decompress(&of);
  }));
  if (has_inks) {
    image.shape.channels = 3;
    image.values = without_inks(image.values, info.saw_Adobe_marker != FALSE);
  }
  make_upright(image, orientation);
  return image;
}

}  // namespace cugad
