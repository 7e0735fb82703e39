#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>

#include "image_files.hpp"

namespace cugad::test {
namespace {

TEST(Png, EveryKindIsDecoded) {
  EXPECT_EQ(decoded(png_file({.width = 2, .height = 2}, {0, 100, 200, 255})).values, (Values{0, 100, 200, 255}));
  EXPECT_EQ(decoded(png_file({.width = 2, .height = 1, .color = PNG_COLOR_TYPE_RGB}, {1, 2, 3, 4, 5, 6})).values,
            (Values{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(decoded(png_file({.width = 2, .height = 2, .interlaced = true}, {0, 100, 200, 255})).values,
            (Values{0, 100, 200, 255}));
  // Small depths are spread over 0 to 255.
  EXPECT_EQ(decoded(png_file({.width = 4, .height = 1, .depth = 1}, {0b10100000})).values, (Values{255, 0, 255, 0}));
  EXPECT_EQ(decoded(png_file({.width = 4, .height = 1, .depth = 2}, {0b00011011})).values, (Values{0, 85, 170, 255}));
  EXPECT_EQ(decoded(png_file({.width = 2, .height = 1, .depth = 4}, {0x0f})).values, (Values{0, 255}));
  // 16 bits are rounded: 0x0180 / 257 is 1.49, 0x0182 / 257 is 1.5.
  EXPECT_EQ(decoded(png_file({.width = 3, .height = 1, .depth = 16}, {0x01, 0x7f, 0x01, 0x82, 0xff, 0xff})).values,
            (Values{1, 2, 255}));
}

TEST(Png, PalettesAreColors) {
  const PngKind kind{.width = 3, .height = 1, .color = PNG_COLOR_TYPE_PALETTE, .palette = {{9, 8, 7}, {1, 2, 3}}};
  const Image image = decoded(png_file(kind, {0, 1, 0}));
  EXPECT_EQ(image.shape, (ImageShape{1, 3, 3}));
  EXPECT_EQ(image.values, (Values{9, 8, 7, 1, 2, 3, 9, 8, 7}));
}

TEST(Png, TransparentPixelsAreShownOnWhite) {
  const PngKind grey{.width = 3, .height = 1, .color = PNG_COLOR_TYPE_GRAY_ALPHA};
  EXPECT_EQ(decoded(png_file(grey, {0, 0, 0, 255, 0, 51})).values, (Values{255, 0, 204}));
  const PngKind color{.width = 1, .height = 1, .color = PNG_COLOR_TYPE_RGB_ALPHA};
  const Image image = decoded(png_file(color, {0, 255, 10, 51}));
  EXPECT_EQ(image.shape, (ImageShape{1, 1, 3}));
  EXPECT_EQ(image.values, (Values{204, 255, 206}));
  const PngKind palette{
      .width = 2, .height = 1, .color = PNG_COLOR_TYPE_PALETTE, .palette = {{9, 8, 7}, {1, 2, 3}}, .opacity = {0, 255}};
  EXPECT_EQ(decoded(png_file(palette, {0, 1})).values, (Values{255, 255, 255, 1, 2, 3}));
}

TEST(Png, WhatIsEncodedIsDecoded) {
  const Image grey{{2, 3, 1}, {1, 2, 3, 4, 5, 6}}, color{{1, 2, 3}, {1, 2, 3, 4, 5, 6}};
  for (const Image& image : {grey, color}) {
    const Image again = decode_image(encode_png(image), "again.png");
    EXPECT_EQ(again.shape, image.shape);
    EXPECT_EQ(again.values, image.values);
  }
  EXPECT_NE(error_of([] { encode_png(Image{{2, 2, 1}, {1, 2, 3}}); }), "");
  EXPECT_NE(error_of([] { encode_png(Image{{1, 1, 2}, {1, 2}}); }), "");
}

/// libjpeg keeps flat areas within 2 in full quality.
void expect_flat(const Image& image, const ImageShape& shape, const Values& color) {
  ASSERT_EQ(image.shape, shape);
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    EXPECT_LE(std::abs(image.values[i] - color[i % color.size()]), 2) << "value " << i;
  }
}

Values repeated(const Values& pixel, int times) {
  Values values;
  for (int i = 0; i < times; ++i) values.insert(values.end(), pixel.begin(), pixel.end());
  return values;
}

TEST(Jpeg, EveryColorSpaceIsDecoded) {
  for (const bool progressive : {false, true}) {
    expect_flat(decoded(jpeg_file({.width = 9, .height = 7, .progressive = progressive}, repeated({77}, 63))),
                {7, 9, 1}, {77});
    const Values color{200, 30, 90};
    for (const J_COLOR_SPACE to : {JCS_YCbCr, JCS_RGB}) {
      const JpegKind kind{.width = 9,
                          .height = 7,
                          .components = 3,
                          .from = JCS_RGB,
                          .to = to,
                          .progressive = progressive,
                          .adobe = to == JCS_RGB};
      expect_flat(decoded(jpeg_file(kind, repeated(color, 63))), {7, 9, 3}, color);
    }
  }
}

TEST(Jpeg, InksBecomeColors) {
  // Ink of 100 % black leaves nothing; without black each ink takes its color away.
  for (const J_COLOR_SPACE to : {JCS_CMYK, JCS_YCCK}) {
    JpegKind kind{.width = 8, .height = 8, .components = 4, .from = JCS_CMYK, .to = to, .adobe = true};
    // Adobe's files hold 255 less the ink.
    expect_flat(decoded(jpeg_file(kind, repeated({200, 100, 50, 255}, 64))), {8, 8, 3}, {200, 100, 50});
    expect_flat(decoded(jpeg_file(kind, repeated({200, 100, 50, 0}, 64))), {8, 8, 3}, {0, 0, 0});
    if (to == JCS_YCCK) continue;
    kind.adobe = false;
    expect_flat(decoded(jpeg_file(kind, repeated({55, 155, 205, 0}, 64))), {8, 8, 3}, {200, 100, 50});
  }
}

/// An upright image of 2 x 3 blocks, each of one value, and how it is stored for each orientation of the Exif standard.
TEST(Orientation, ImagesAreTurnedUpright) {
  const Values upright{0, 40, 80, 120, 160, 200};
  const std::vector<Values> stored = {
      {0, 40, 80, 120, 160, 200}, {80, 40, 0, 200, 160, 120}, {200, 160, 120, 80, 40, 0}, {120, 160, 200, 0, 40, 80},
      {0, 120, 40, 160, 80, 200}, {80, 200, 40, 160, 0, 120}, {200, 80, 160, 40, 120, 0}, {120, 0, 160, 40, 200, 80}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const bool is_turned = orientation >= 5;
    const int width = is_turned ? 2 : 3, height = is_turned ? 3 : 2;
    const Values& values = stored[static_cast<std::size_t>(orientation - 1)];
    for (const bool big_endian : {false, true}) {
      const std::string exif = exif_of(orientation, big_endian);
      const Image png = decoded(png_file({.width = width, .height = height, .exif = exif}, values));
      EXPECT_EQ(png.shape, (ImageShape{2, 3, 1})) << orientation;
      EXPECT_EQ(png.values, upright) << orientation;
      Values blocks;  // of 8 x 8 pixels, so that each keeps its value
      for (int y = 0; y < 8 * height; ++y) {
        for (int x = 0; x < 8 * width; ++x) blocks.push_back(values[static_cast<std::size_t>(y / 8 * width + x / 8)]);
      }
      const Image jpeg = decoded(jpeg_file({.width = 8 * width, .height = 8 * height, .exif = exif}, blocks));
      ASSERT_EQ(jpeg.shape, (ImageShape{16, 24, 1})) << orientation;
      for (std::size_t i = 0; i < jpeg.values.size(); ++i) {
        EXPECT_NEAR(jpeg.values[i], upright[i / 24 / 8 * 3 + i % 24 / 8], 2) << orientation;
      }
    }
  }
}

TEST(Damage, EveryTruncationIsOneLine) {
  const Values values = repeated({7, 200, 31}, 85);
  const std::string png = png_file({.width = 17, .height = 15}, values);
  const JpegKind kind{.width = 17, .height = 15, .exif = exif_of(6, true)};
  JpegKind progressive = kind;
  progressive.progressive = true;
  for (const std::string& file : {png, jpeg_file(kind, values), jpeg_file(progressive, values)}) {
    ASSERT_EQ(error_of([&] { decoded(file); }), "");
    // The last bytes of a PNG (its end) and of a JPEG (a marker) hold no pixels.
    for (std::size_t size = 0; size + 14 < file.size(); ++size) {
      const std::string error = error_of([&] { decoded(file.substr(0, size)); });
      EXPECT_TRUE(error.starts_with("test.image: ")) << size << " of " << file.size() << ": " << error;
      EXPECT_EQ(error.find('\n'), std::string::npos);
    }
  }
}

TEST(Damage, FlippedBitsAreErrorsOrPixels) {
  const Values values = repeated({7, 200, 31}, 85);
  const std::string png = png_file({.width = 17, .height = 15, .exif = exif_of(3, false)}, values);
  const std::string jpeg = jpeg_file({.width = 17, .height = 15, .exif = exif_of(6, true)}, values);
  for (const std::string& file : {png, jpeg}) {
    for (std::size_t bit = 0; bit < 8 * file.size(); bit += 3) {
      std::string damaged = file;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
      try {
        const Image image = decoded(damaged);
        EXPECT_EQ(static_cast<std::int64_t>(image.values.size()), cells_of(image.shape));
      } catch (const Error&) {
        // as it should be
      }
    }
  }
}

/// The file with another size in its header.
std::string resized_png(std::uint32_t width, std::uint32_t height) {
  std::string file = png_file({.width = 1, .height = 1}, {1});
  unsigned char* const header = reinterpret_cast<unsigned char*>(file.data()) + 16;
  for (int i = 0; i < 4; ++i) {
    header[i] = static_cast<unsigned char>(width >> (24 - 8 * i));
    header[4 + i] = static_cast<unsigned char>(height >> (24 - 8 * i));
  }
  const auto sum = static_cast<std::uint32_t>(crc32(0, header - 4, 17));
  for (int i = 0; i < 4; ++i) header[13 + i] = static_cast<unsigned char>(sum >> (24 - 8 * i));
  return file;
}

TEST(Damage, HugeSizesAreRefusedBeforeMemoryIsTaken) {
  EXPECT_NE(error_of([] { decoded(resized_png(100000, 100000)); }).find("declares 100000 x 100000 pixels"),
            std::string::npos);
  EXPECT_NE(error_of([] { decoded(resized_png(0, 1)); }), "");
  std::string jpeg = jpeg_file({.width = 8, .height = 8}, repeated({1}, 64));
  const std::size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  for (const std::size_t at : {frame + 5, frame + 7}) jpeg.replace(at, 2, "\xff\xdc");  // 65,500
  EXPECT_NE(error_of([&] { decoded(jpeg); }).find("declares 65500 x 65500 pixels"), std::string::npos);
}

TEST(Damage, OtherFilesAreNamed) {
  EXPECT_EQ(error_of([] { decoded(""); }), "test.image: is empty, expected a PNG or JPEG image");
  EXPECT_EQ(error_of([] { decoded("GIF89a"); }), "test.image: is no PNG or JPEG image");
  std::string two = jpeg_file({.width = 8, .height = 8, .components = 2, .from = JCS_UNKNOWN, .to = JCS_UNKNOWN},
                              repeated({1, 2}, 64));
  EXPECT_NE(error_of([&] { decoded(two); }).find("of 2 components"), std::string::npos);
  EXPECT_NE(error_of([] { read_image("/nonexistent/a.png"); }).find("cannot be read"), std::string::npos);
}

}  // namespace
}  // namespace cugad::test
