#pragma once

#include <png.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

// This needs <cstdio> in front of it.
#include <jpeglib.h>

#include "cugad/error.hpp"
#include "cugad/image.hpp"

/// Image files in memory, written by libpng and libjpeg themselves.
namespace cugad::test {

using Values = std::vector<std::uint8_t>;

/// How a PNG is written; `values` holds packed rows, as the depth has them.
struct PngKind {
  int width = 0, height = 0, color = PNG_COLOR_TYPE_GRAY, depth = 8;
  std::vector<png_color> palette = {};
  std::vector<std::uint8_t> opacity = {};  ///< of the palette's colors
  bool interlaced = false;
  std::string exif = {};
};

inline std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

inline std::string png_file(const PngKind& kind, Values values) {
  std::string file;
  png_structp png = png_create_write_struct(
      PNG_LIBPNG_VER_STRING, nullptr, [](png_structp, const char* message) { throw std::runtime_error(message); },
      nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &file,
      [](png_structp of, unsigned char* data, std::size_t size) {
        static_cast<std::string*>(png_get_io_ptr(of))->append(reinterpret_cast<char*>(data), size);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(kind.width), static_cast<png_uint_32>(kind.height), kind.depth,
               kind.color, kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!kind.palette.empty()) png_set_PLTE(png, info, kind.palette.data(), static_cast<int>(kind.palette.size()));
  if (!kind.opacity.empty()) {
    png_set_tRNS(png, info, kind.opacity.data(), static_cast<int>(kind.opacity.size()), nullptr);
  }
  if (!kind.exif.empty()) {
    std::string exif = kind.exif;
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()), reinterpret_cast<png_bytep>(exif.data()));
  }
  png_write_info(png, info);
  std::vector<png_bytep> rows;
  const std::size_t line = png_get_rowbytes(png, info);
  if (values.size() != line * static_cast<std::size_t>(kind.height)) throw std::logic_error("wrong number of values");
  for (int y = 0; y < kind.height; ++y) rows.push_back(values.data() + static_cast<std::size_t>(y) * line);
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return file;
}

/// How a JPEG is written, in full quality and without subsampling.
struct JpegKind {
  int width = 0, height = 0, components = 1;
  J_COLOR_SPACE from = JCS_GRAYSCALE, to = JCS_GRAYSCALE;
  bool progressive = false, adobe = false;
  std::string exif = {};  ///< a TIFF file
};

inline std::string jpeg_file(const JpegKind& kind, Values values) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  errors.error_exit = [](j_common_ptr) { throw std::runtime_error("the JPEG was not written"); };
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(kind.width);
  info.image_height = static_cast<JDIMENSION>(kind.height);
  info.input_components = kind.components;
  info.in_color_space = kind.from;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, kind.to);
  info.write_Adobe_marker = kind.adobe ? TRUE : FALSE;
  jpeg_set_quality(&info, 100, TRUE);
  info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (kind.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (!kind.exif.empty()) {
    const std::string block = std::string("Exif\0\0", 6) + kind.exif;
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(block.data()),
                      static_cast<unsigned>(block.size()));
  }
  for (int y = 0; y < kind.height; ++y) {
    JSAMPROW row = values.data() + y * kind.width * kind.components;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<char*>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return file;
}

/// A TIFF file whose only entry is an orientation.
inline std::string exif_of(int orientation, bool big_endian) {
  const auto number = [&](std::uint32_t value, int size) {
    std::string text;
    for (int i = 0; i < size; ++i) {
      text += static_cast<char>(value >> 8 * (big_endian ? size - 1 - i : i) & 0xff);
    }
    return text;
  };
  return (big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) + number(1, 2) + number(0x0112, 2) + number(3, 2) +
         number(1, 4) + number(static_cast<std::uint32_t>(orientation), 2) + number(0, 2) + number(0, 4);
}

inline Image decoded(const std::string& file) { return decode_image(bytes_of(file), "test.image"); }

/// The message of the error that `call` throws; empty if it throws none.
template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace cugad::test
