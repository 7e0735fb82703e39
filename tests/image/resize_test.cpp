#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "image_files.hpp"

namespace cugad::test {
namespace {

std::vector<float> row_of(const Image& image, const ImageShape& shape) {
  std::vector<float> row(static_cast<std::size_t>(cells_of(shape)));
  image_to_row(image, shape, row);
  return row;
}

/// The channel of a pixel, in the channels that the row has.
double channel(const Image& image, int y, int x, int c, int channels) {
  const std::uint8_t* pixel = image.values.data() + (y * image.shape.width + x) * image.shape.channels;
  if (image.shape.channels == 1) return pixel[0];
  return channels == 3 ? pixel[c] : .299 * pixel[0] + .587 * pixel[1] + .114 * pixel[2];
}

/// The weight of source pixel `i` of `from` for target pixel `t` of `to`: area where it shrinks, else a tent.
double weight(int i, int t, int from, int to) {
  const double step = double(from) / to;
  if (from > to) return std::max(0.0, std::min<double>(i + 1, (t + 1) * step) - std::max<double>(i, t * step)) / step;
  const double center = std::min(std::max((t + .5) * step - .5, 0.0), from - 1.0);
  return std::max(0.0, 1.0 - std::abs(center - i));
}

/// The definition, in double and not separated by axis.
std::vector<double> reference(const Image& image, const ImageShape& shape) {
  int height = image.shape.height, width = image.shape.width;
  const double ratio = double(shape.width) / shape.height;
  if (width > height * ratio) {
    width = std::max(1, static_cast<int>(std::floor(height * ratio + .5 + 1e-9)));
  } else if (width < height * ratio) {
    height = std::max(1, static_cast<int>(std::floor(width / ratio + .5 + 1e-9)));
  }
  const int top = (image.shape.height - height) / 2, left = (image.shape.width - width) / 2;
  std::vector<double> row;
  for (int y = 0; y < shape.height; ++y) {
    for (int x = 0; x < shape.width; ++x) {
      for (int c = 0; c < shape.channels; ++c) {
        double sum = 0;
        for (int v = 0; v < height; ++v) {
          for (int u = 0; u < width; ++u) {
            const double share = weight(v, y, height, shape.height) * weight(u, x, width, shape.width);
            if (share > 0) sum += share * channel(image, top + v, left + u, c, shape.channels);
          }
        }
        row.push_back(sum);
      }
    }
  }
  return row;
}

TEST(Resize, FollowsItsDefinition) {
  const unsigned seed = 20;
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    const auto up_to = [&](int most) { return 1 + static_cast<int>(random() % static_cast<unsigned>(most)); };
    Image image{{up_to(23), up_to(23), random() % 2 == 0 ? 1 : 3}, {}};
    for (std::int64_t i = 0; i < cells_of(image.shape); ++i) {
      image.values.push_back(static_cast<std::uint8_t>(random() % 256));
    }
    const ImageShape shape{up_to(17), up_to(17), random() % 2 == 0 ? 1 : 3};
    const std::vector<float> row = row_of(image, shape);
    const std::vector<double> expected = reference(image, shape);
    ASSERT_EQ(row.size(), expected.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      // Sums of up to 46 products in single precision.
      ASSERT_NEAR(row[i], expected[i], 255 * 1e-5)
          << "seed " << seed << ", round " << round << ": " << image_shape_text(image.shape) << " to "
          << image_shape_text(shape);
    }
  }
}

TEST(Resize, ImagesOfTheShapeAreCopied) {
  const Image image{{2, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255}};
  EXPECT_EQ(row_of(image, {2, 2, 3}), (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255}));
}

TEST(Resize, TheCentreIsKept) {
  const Image wide{{1, 5, 1}, {9, 1, 2, 3, 9}};
  EXPECT_EQ(row_of(wide, {1, 3, 1}), (std::vector<float>{1, 2, 3}));
  const Image high{{4, 1, 1}, {9, 1, 2, 9}};
  EXPECT_EQ(row_of(high, {2, 1, 1}), (std::vector<float>{1, 2}));
}

TEST(Resize, OtherRowsAreRefused) {
  const Image image{{1, 1, 1}, {0}};
  std::vector<float> row(3);
  EXPECT_NE(error_of([&] { image_to_row(image, {2, 2, 1}, row); }), "");
  EXPECT_NE(error_of([&] { image_to_row(image, {1, 1, 2}, std::span(row).first(2)); }), "");
}

TEST(Heatmap, ChannelsAreSummed) {
  EXPECT_EQ(pixel_map(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 2, 3}), (std::vector<float>{6, 15}));
  EXPECT_NE(error_of([] { pixel_map(std::vector<float>(5), {1, 2, 3}); }), "");
}

TEST(Heatmap, ColorsLieOverTheImage) {
  const ImageShape shape{1, 4, 1};
  const std::vector<float> row{0, 255, 128, 64}, map{0, 0, 2, 5};
  const Image image = heatmap(row, shape, map, 2.0f);
  ASSERT_EQ(image.shape, (ImageShape{64, 256, 3}));
  const auto pixel = [&](int x) { return Values(image.values.begin() + 3 * x, image.values.begin() + 3 * x + 3); };
  EXPECT_EQ(pixel(0), (Values{0, 0, 0}));
  EXPECT_EQ(pixel(127), (Values{255, 255, 255}));
  // The end of inferno is (252, 255, 164); polynomials come within 5 of it.
  for (const int x : {128, 192}) {
    const Values end{252, 255, 164};
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(pixel(x)[c], end[c], 5) << x;
  }
  EXPECT_EQ(heatmap(row, shape, map, 0.0f).values[3 * 255], 64);
  EXPECT_EQ(heatmap(std::vector<float>{0, 1, .5f, 0}, shape, map, 10.0f).values[3 * 127], 255);  // from 0 to 1
  EXPECT_NE(error_of([&] { heatmap(row, shape, std::vector<float>(3), 1.0f); }), "");
}

TEST(Shape, TextsAreParsed) {
  EXPECT_EQ(image_shape_from("28x30x3"), (ImageShape{28, 30, 3}));
  EXPECT_EQ(image_shape_from("28x30"), (ImageShape{28, 30, 1}));
  EXPECT_EQ(image_shape_text({28, 30, 3}), "28x30x3");
  for (const char* text : {"", "28", "x", "28x", "28x30x", "0x1", "-1x1", "1x2x3x4", "28 x 30", "1000x1001x1",
                           "99999999999x1", "2000000000x2000000000x2000000000"}) {
    EXPECT_NE(error_of([&] { image_shape_from(text); }), "") << text;
  }
}

TEST(Shape, ColumnsAreNamed) {
  EXPECT_EQ(image_column_names({1, 2, 1}), (std::vector<std::string>{"y0x0", "y0x1"}));
  EXPECT_EQ(image_column_names({1, 1, 3}), (std::vector<std::string>{"y0x0c0", "y0x0c1", "y0x0c2"}));
}

}  // namespace
}  // namespace cugad::test
