#include <gtest/gtest.h>

#include <cmath>

#include "common/temporary_directory.hpp"
#include "image_files.hpp"

namespace cugad::test {
namespace {

using Texts = std::vector<std::string>;

class Folder : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& bytes) {
    const std::string path = folder.file(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    write_text(path, bytes);
  }
  /// A grey image whose pixels all have the value.
  static std::string grey(std::uint8_t value, int height = 2, int width = 2) {
    return png_file({.width = width, .height = height}, Values(static_cast<std::size_t>(height * width), value));
  }
  TemporaryDirectory folder;
};

TEST_F(Folder, ImagesAreRowsInTheOrderOfTheirPaths) {
  write("b.png", grey(3));
  write("a/z.png", grey(1));
  write("a/a/1.PNG", grey(0));
  write("B.jpeg", jpeg_file({.width = 2, .height = 2}, {9, 9, 9, 9}));
  write("no_ending", grey(4));
  write(".hidden.png", "damaged");
  write(".hidden/a.png", "damaged");
  write("notes.txt", "no image");
  write("a/more.csv", "1,2");
  ImageReader reader(folder.path());
  EXPECT_EQ(reader.shape(), (ImageShape{2, 2, 1}));
  EXPECT_EQ(reader.files(), (Texts{"B.jpeg", "a/a/1.PNG", "a/z.png", "b.png", "no_ending"}));
  EXPECT_EQ(reader.notes(), (Texts{"2 files are skipped, as neither PNG nor JPEG: a/more.csv, ..."}));
  for (const std::int64_t at_a_time : {1, 2, 100}) {
    ImageReader again(folder.path());
    Texts files, folders;
    std::vector<float> values;
    Table chunk;
    Matrix rows;
    while (again.read(chunk, rows, at_a_time)) {
      EXPECT_EQ(chunk.first_row, static_cast<std::int64_t>(files.size()));
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        files.push_back(chunk.columns[chunk.find("file")].texts[static_cast<std::size_t>(r)]);
        folders.push_back(chunk.columns[chunk.find("folder")].texts[static_cast<std::size_t>(r)]);
        values.push_back(rows.row(r)[3]);
      }
    }
    EXPECT_EQ(files, reader.files());
    EXPECT_EQ(folders, (Texts{"", "a", "a", "", ""}));
    EXPECT_EQ(values, (std::vector<float>{9, 0, 1, 3, 4}));
  }
}

/// Data sets are often rearranged by links into another folder, whose names do not matter.
TEST_F(Folder, LinksToFilesHaveTheirOwnPaths) {
  const TemporaryDirectory elsewhere;
  write_text(elsewhere.file("1.png"), grey(7));
  std::filesystem::create_directories(folder.file("good"));
  std::filesystem::create_symlink(elsewhere.file("1.png"), folder.file("good/2.png"));
  EXPECT_EQ(ImageReader(folder.path()).files(), (Texts{"good/2.png"}));
  EXPECT_EQ(ImageReader(folder.path() + "/").files(), (Texts{"good/2.png"}));
}

TEST_F(Folder, APatternChoosesFiles) {
  write("a.png", grey(1));
  write("a.jpg", jpeg_file({.width = 2, .height = 2}, {9, 9, 9, 9}));
  EXPECT_EQ(ImageReader(folder.path(), {.files = "*.jpg"}).files(), (Texts{"a.jpg"}));
  EXPECT_NE(error_of([&] { ImageReader(folder.path(), {.files = "*.gif"}); }).find("matches '*.gif'"),
            std::string::npos);
}

TEST_F(Folder, ImagesOfOtherShapesNeedAShape) {
  write("a.png", grey(1));
  write("b.png", grey(7, 4, 6));
  Table chunk;
  Matrix rows;
  const std::string error = error_of([&] {
    ImageReader reader(folder.path());
    while (reader.read(chunk, rows, 10)) continue;
  });
  EXPECT_NE(error.find("b.png: is an image of 4x6x1, expected 2x2x1 as a.png is; --image 2x2x1"), std::string::npos)
      << error;
  ImageReader reader(folder.path(), {.shape = ImageShape{3, 3, 3}});
  ASSERT_TRUE(reader.read(chunk, rows, 10));
  EXPECT_EQ(rows.columns, 27);
  EXPECT_EQ(rows.data.front(), 1.0f);
  EXPECT_NEAR(rows.data.back(), 7.0f, 1e-5f);
}

TEST_F(Folder, DamagedImagesAreErrorsOrMarked) {
  write("a.png", "");
  write("b.png", grey(5));
  write("c.png", grey(5).substr(0, 40));
  write("d.jpg", "<html>");
  Table chunk;
  Matrix rows;
  EXPECT_NE(error_of([&] { ImageReader(folder.path()); }).find("a.png: is empty"), std::string::npos);
  ImageReader reader(folder.path(), {.mark_errors = true});
  ASSERT_TRUE(reader.read(chunk, rows, 10));
  EXPECT_EQ(rows.row(1)[0], 5.0f);
  ASSERT_EQ(chunk.unreadable.size(), 3u);
  for (const auto& [row, reason] : chunk.unreadable) {
    EXPECT_TRUE(std::isnan(rows.row(row)[3]));
    EXPECT_NE(reason.find(reader.files()[static_cast<std::size_t>(row)]), std::string::npos) << reason;
  }
  EXPECT_FALSE(reader.read(chunk, rows, 10));
}

TEST_F(Folder, ImagesInFrontOfADamagedOneAreRead) {
  write("a.png", grey(1));
  write("b.png", grey(2));
  write("c.png", "no image");
  write("d.png", grey(4));
  ImageReader reader(folder.path());
  Table chunk;
  Matrix rows;
  ASSERT_TRUE(reader.read(chunk, rows, 10));
  EXPECT_EQ(chunk.rows, 2);
  EXPECT_EQ(chunk.columns[0].texts, (Texts{"a.png", "b.png"}));
  EXPECT_EQ(rows.data, (std::vector<float>{1, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_NE(error_of([&] { reader.read(chunk, rows, 10); }).find("c.png: is no PNG or JPEG image"), std::string::npos);
}

TEST_F(Folder, WithoutImagesThereIsOneLine) {
  EXPECT_NE(error_of([&] { ImageReader(folder.path()); }).find("holds no PNG or JPEG image"), std::string::npos);
  EXPECT_NE(error_of([&] { ImageReader(folder.file("absent")); }).find("cannot be read"), std::string::npos);
  write("a.png", grey(1));
  Table chunk;
  Matrix rows;
  EXPECT_NE(error_of([&] { ImageReader(folder.path()).read(chunk, rows, 0); }), "");
}

}  // namespace
}  // namespace cugad::test
