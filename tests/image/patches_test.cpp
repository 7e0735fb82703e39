#include <gtest/gtest.h>

#include "cugad/error.hpp"
#include "cugad/image.hpp"

namespace cugad::test {
namespace {

using Places = std::vector<std::int32_t>;

TEST(Patches, CoverTheImageToItsEnds) {
  const PatchGrid grid = patch_grid({20, 17, 3}, {8, 8, 3}, 6);
  EXPECT_EQ(grid.top, (Places{0, 6, 12}));
  EXPECT_EQ(grid.left, (Places{0, 6, 9}));
  EXPECT_EQ(grid.count(), 9);
  EXPECT_EQ(patch_grid({8, 8, 1}, {8, 8, 1}, 3).count(), 1);
  EXPECT_EQ(patch_grid({8, 9, 1}, {8, 8, 1}, 8).left, (Places{0, 1}));
}

/// Every value of an image comes back, whatever the sizes and strides: no place is left out, none is another's.
TEST(Patches, AreStitchedToTheImageThatTheyAreCutFrom) {
  for (const ImageShape& shape : {ImageShape{8, 8, 1}, {9, 8, 1}, {31, 17, 3}, {8, 40, 3}}) {
    for (const std::int32_t stride : {1, 3, 5, 8}) {
      const PatchGrid grid = patch_grid(shape, {8, 8, shape.channels}, stride);
      std::vector<float> image(static_cast<std::size_t>(cells_of(shape)));
      for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i);
      Matrix patches(grid.count(), cells_of(grid.patch));
      cut_patches(image, grid, patches.view());
      EXPECT_EQ(patches.row(0)[0], 0.0f);
      EXPECT_EQ(patches.data.back(), image.back());
      EXPECT_EQ(stitch_patches(patches.view(), grid), image) << image_shape_text(shape) << ' ' << stride;
    }
  }
}

/// At seams: two patches that differ have their mean where they overlap, and their own values elsewhere.
TEST(Patches, HaveTheirMeanWhereTheyOverlap) {
  const PatchGrid grid = patch_grid({4, 6, 1}, {4, 4, 1}, 2);
  Matrix patches(2, 16);
  std::fill_n(patches.row(0), 16, 1.0f);
  std::fill_n(patches.row(1), 16, 4.0f);
  const std::vector<float> image = stitch_patches(patches.view(), grid);
  for (std::size_t p = 0; p < image.size(); ++p) EXPECT_EQ(image[p], p % 6 < 2 ? 1.0f : p % 6 < 4 ? 2.5f : 4.0f);
}

TEST(Patches, OfOtherSizesAreRefused) {
  const auto refused = [](const std::vector<std::string>& words, const auto& call) {
    try {
      call();
      ADD_FAILURE() << words[0];
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      for (const std::string& word : words)
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  };
  refused({"7x20x1", "8x8x1"}, [] { patch_grid({7, 20, 1}, {8, 8, 1}, 4); });
  refused({"20x20x3", "8x8x1"}, [] { patch_grid({20, 20, 3}, {8, 8, 1}, 4); });
  refused({"0 apart", "1 to 8"}, [] { patch_grid({20, 20, 1}, {8, 8, 1}, 0); });
  refused({"9 apart", "1 to 8"}, [] { patch_grid({20, 20, 1}, {8, 8, 1}, 9); });
  const PatchGrid grid = patch_grid({8, 9, 1}, {8, 8, 1}, 8);
  refused({"expected 2 of 64 and 72"}, [&] { stitch_patches(Matrix(3, 64).view(), grid); });
  Matrix patches(2, 64);
  refused({"an image of 71"}, [&] { cut_patches(std::vector<float>(71), grid, patches.view()); });
}

}  // namespace
}  // namespace cugad::test
